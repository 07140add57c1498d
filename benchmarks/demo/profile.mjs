#!/usr/bin/env node
/**
 * Where the time of a calibration step and of a sampling step on the demo model goes, kernel by kernel.
 * The WebAssembly backend computes synchronously, so the time in a kernel's call is the kernel's time.
 *
 *   npm run build && node benchmarks/demo/profile.mjs
 */
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { createWasmBackend } from '@vq4dit/backend-wasm';
import { openModel } from '@vq4dit/checkpoint';
import {
  calibrate,
  collectGrams,
  OUTPUT_ERROR_RECIPE,
  RandomStream,
  startLayer,
  TensorOps,
  VectorQuantizer,
} from '@vq4dit/core';
import { demoModel } from '@vq4dit/demo-model';
import {
  BLOCK_LINEARS,
  blockLayer,
  DiTWeights,
  ditBlockStack,
  ditForward,
  zeroDataSource,
} from '@vq4dit/dit';
import { machine } from '../machine.mjs';

const STEPS = 20;
const phases = {};
const kernels = new Map();
const timed = (name, fn) => {
  const started = performance.now();
  try {
    return fn();
  } finally {
    kernels.set(name, (kernels.get(name) ?? 0) + performance.now() - started);
  }
};
const wrap = (table) =>
  Object.fromEntries(
    Object.entries(table).map(([name, fn]) => [
      name,
      (...args) =>
        timed(typeof args[0] === 'string' ? `${name} ${args[0]}` : name, () => fn(...args)),
    ]),
  );
async function phase(name, fn) {
  const started = performance.now();
  const result = await fn();
  phases[name] = (performance.now() - started) / 1000;
  return result;
}

const backend = await createWasmBackend();
const ops = new TensorOps({
  ...backend,
  kernels: wrap(backend.kernels),
  fused: wrap(backend.fused),
  upload: (...args) => timed('upload', () => backend.upload(...args)),
});
const model = await openModel(fileURLToPath(demoModel.checkpoint));
const weights = await DiTWeights.load(ops, model.config, model);
const stack = ditBlockStack(weights);
const source = zeroDataSource(weights, {
  seed: 0,
  steps: STEPS,
  batch: 8,
  cfgScale: 1,
  nullShare: 0.15,
});
const names = Array.from({ length: model.config.depth }, (_, block) =>
  BLOCK_LINEARS.map((layer) => blockLayer(block, layer)),
).flat();

const quantizer = new VectorQuantizer({
  ...{ codewords: 256, subvector: 4, seed: 0, accelerator: backend.kmeans },
});
const quantized = await phase('k-means', async () => {
  const list = [];
  for (const name of names) {
    const [rows, columns] = model.entry(`${name}.weight`).shape;
    const data = await model.readFloat32(`${name}.weight`);
    const matrix = { name, rows, columns, data, groups: name.endsWith('qkv') ? 3 : 1 };
    list.push({ matrix, weight: await quantizer.quantize(matrix) });
  }
  return list;
});
const grams = await phase('input statistics', () =>
  collectGrams(ops, { stack, source, trajectories: OUTPUT_ERROR_RECIPE.statisticsTrajectories }),
);
const layers = await phase('candidates and assignments', async () => {
  const starts = new Map();
  for (const { matrix, weight } of quantized) {
    const bias = await model.readFloat32(`${matrix.name}.bias`);
    const options = { ...OUTPUT_ERROR_RECIPE, gram: grams.get(matrix.name) };
    starts.set(matrix.name, await startLayer(matrix, weight, bias, options));
  }
  return starts;
});
/** Seconds of a step, kernel by kernel, of `STEPS` steps. */
async function profile(name, run) {
  await run(); // Warms up.
  kernels.clear();
  await phase(name, run);
  const total = phases[name];
  const shares = [...kernels].map(([kernel, ms]) => [kernel, ms / 1000 / STEPS]);
  const rest = total / STEPS - shares.reduce((sum, [, seconds]) => sum + seconds, 0);
  shares.push(['outside kernels', rest]);
  shares.sort((a, b) => b[1] - a[1]);
  console.log(`${name}: ${((1000 * total) / STEPS).toFixed(1)} ms a step`);
  console.table(
    shares.map(([kernel, seconds]) => ({
      kernel,
      'ms per step': (1000 * seconds).toFixed(2),
      share: `${((100 * STEPS * seconds) / total).toFixed(1)} %`,
    })),
  );
  return { secondsPerStep: total / STEPS, kernelSecondsPerStep: Object.fromEntries(shares) };
}

const calibration = await profile(`calibration, ${STEPS} steps`, () =>
  calibrate(ops, { stack, source, layers, trajectories: 1, options: OUTPUT_ERROR_RECIPE }),
);
const images = 64;
const noise = new RandomStream(0).fillNormal(
  new Float32Array(images * model.config.inputSize ** 2),
);
const sampling = await profile(`sampling, ${STEPS} steps of ${images} images`, async () => {
  for (let i = 0; i < STEPS; i++) {
    await ops.scope(async (s) => {
      const x = s.tensor(noise, [images, 1, model.config.inputSize, model.config.inputSize]);
      const labels = Array.from({ length: images }, (_, j) => j % 10);
      return s.read(ditForward(s, weights, x, Array(images).fill(500), labels));
    });
  }
});
const report = { machine: machine(), phases, calibration, sampling };
writeFileSync(
  fileURLToPath(new URL('../results/demo-profile.json', import.meta.url)),
  `${JSON.stringify(report, null, 2)}\n`,
);
await backend.close();
