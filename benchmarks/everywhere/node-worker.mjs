/**
 * One call on one backend, in a process of its own, because two native libraries do not live in one:
 *
 *   node node-worker.mjs <backend> <module> <function> <arguments.json> <result.json>
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { createRegistry } from '@vq4dit/cli';
import { fromPlain, toPlain } from './plain.mjs';

const [id, module, name, argumentsFile, resultFile] = process.argv.slice(2);
const { [name]: work } = await import(new URL(`../${module}`, import.meta.url));
const args = fromPlain(JSON.parse(readFileSync(argumentsFile, 'utf8')));
const backend = await createRegistry().init(id);
let last = performance.now();
const onProgress = (done, total) => {
  if (performance.now() - last < 5000) return;
  last = performance.now();
  process.stderr.write(`${id}: ${name} ${done} of ${total}\n`);
};
const result = await work(backend, ...args, onProgress);
await backend.close();
writeFileSync(resultFile, JSON.stringify(toPlain(result)));
