#!/usr/bin/env node
/**
 * Writes an image decoder with the true shapes and names of Stable Diffusion's (as in
 * stabilityai/sd-vae-ft-ema) and random weights:
 *
 *   npm run build
 *   node tools/make-synthetic-vae.mjs vae.safetensors [--tiny] [--seed n]
 *
 * `--tiny` makes a small one of the same kind, for tests. The same seed gives the same weights.
 */
import { parseArgs } from 'node:util';
import { SD_VAE_DECODER } from '@vq4dit/vae';
import { syntheticVae, TINY_VAE } from './synthetic/vae.mjs';
import { seedOf, usage, writeTensors } from './synthetic/write.mjs';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tiny: { type: 'boolean' }, seed: { type: 'string', default: '0' } },
});
const [out] = positionals;
if (!out || !/\.(pt|safetensors)$/.test(out)) {
  usage('usage: make-synthetic-vae.mjs <out.pt or out.safetensors> [--tiny] [--seed n]');
}
const config = values.tiny ? TINY_VAE : SD_VAE_DECODER;
await writeTensors(out, syntheticVae(config, seedOf(values.seed)));
