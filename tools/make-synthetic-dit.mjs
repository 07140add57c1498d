#!/usr/bin/env node
/**
 * Writes a checkpoint with the true shapes and names of a DiT and random weights whose statistics
 * look like a trained model's, so that everything at full size can be run without the real one:
 *
 *   npm run build
 *   node tools/make-synthetic-dit.mjs DiT-XL/2 DiT-XL-2-256x256.pt
 *   node tools/make-synthetic-dit.mjs DiT-XL/2 xl-512.safetensors --image-size 512 --seed 1
 *
 * One tensor at a time is in memory. The same seed gives the same weights.
 */
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { DIT_PRESETS, ditPreset, isDiTPreset, parseDiTConfig } from '@vq4dit/dit';
import { syntheticTensors } from './synthetic/dit.mjs';
import { seedOf, usage, writeTensors } from './synthetic/write.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'image-size': { type: 'string', default: '256' },
    seed: { type: 'string', default: '0' },
  },
});
const [model, out] = positionals;
const isConfig = model?.endsWith('.json');
if (!out || !/\.(pt|safetensors)$/.test(out) || !(isConfig || isDiTPreset(model))) {
  usage(
    'usage: make-synthetic-dit.mjs <preset or config.json> <out.pt or out.safetensors> [--image-size 256|512] [--seed n]',
    `presets: ${DIT_PRESETS.join(', ')}`,
  );
}
const config = isConfig
  ? parseDiTConfig(JSON.parse(readFileSync(model, 'utf8')), model).config
  : ditPreset(model, Number(values['image-size']));
await writeTensors(out, syntheticTensors(config, seedOf(values.seed)));
