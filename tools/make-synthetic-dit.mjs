#!/usr/bin/env node
/**
 * Writes a checkpoint with the true shapes and names of a DiT and random weights, for measuring
 * speed and memory without the real one: `node tools/make-synthetic-dit.mjs DiT-XL/2 xl.safetensors`.
 * One tensor at a time is in memory. Needs `npm run build`.
 */
import { parseArgs } from 'node:util';
import { writeSafetensors } from '@vq4dit/checkpoint';
import { RandomStream, sizeOf } from '@vq4dit/core';
import { DIT_PRESETS, ditPreset, expectedTensors, isDiTPreset } from '@vq4dit/dit';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    'image-size': { type: 'string', default: '256' },
    seed: { type: 'string', default: '0' },
  },
});
const [preset, out] = positionals;
if (!preset || !out || !isDiTPreset(preset)) {
  console.error(
    `usage: make-synthetic-dit.mjs <preset> <out.safetensors> [--image-size 256|512] [--seed n]\npresets: ${DIT_PRESETS.join(', ')}`,
  );
  process.exit(2);
}

/** Standard deviation of trained linear layers, roughly; heavier tails come from a scale per row. */
const WEIGHT_DEVIATION = 0.02;

function randomTensor(name, shape) {
  const stream = new RandomStream(Number(values.seed), 'synthetic', name);
  const data = stream.fillNormal(new Float32Array(sizeOf(shape)));
  const columns = sizeOf(shape.slice(1));
  const scales = stream.derive('rows');
  for (let row = 0; row < data.length; row += columns) {
    const scale = WEIGHT_DEVIATION * Math.exp(0.5 * scales.normal());
    for (let i = row; i < row + columns; i++) data[i] *= scale;
  }
  return new Uint8Array(data.buffer);
}

const config = ditPreset(preset, Number(values['image-size']));
const tensors = [...expectedTensors(config)].map(([name, shape]) => ({
  name,
  dtype: 'F32',
  shape: [...shape],
  data: () => randomTensor(name, shape),
}));
await writeSafetensors(out, tensors, { format: 'pt' });
const parameters = tensors.reduce((sum, { shape }) => sum + sizeOf(shape), 0);
console.error(`Wrote ${out}: ${preset}, ${parameters} parameters.`);
