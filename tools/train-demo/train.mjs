#!/usr/bin/env node
/**
 * Trains the demo model on Fashion-MNIST; docs/train-demo.md tells how. Needs `npm run build`.
 */
import { existsSync } from 'node:fs';

if (!existsSync(new URL('./dist/main.js', import.meta.url))) {
  console.error('train-demo is not built yet; run `npm run build` first.');
  process.exit(2);
}
const { main } = await import('./dist/main.js');
process.exitCode = await main(process.argv.slice(2));
