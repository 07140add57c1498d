#!/usr/bin/env node
/**
 * Where the time of a calibration step on the demo model goes, kernel by kernel. The WebAssembly
 * backend computes synchronously, so the time in a kernel's call is the kernel's time.
 *
 *   npm run build && node benchmarks/demo/profile.mjs
 */
import { writeFileSync } from 'node:fs';
import { cpus, loadavg } from 'node:os';
import { fileURLToPath } from 'node:url';
import { createTfjsWasmBackend } from '@vq4dit/backend-tfjs';
import { openModel } from '@vq4dit/checkpoint';
import {
  calibrate,
  collectGrams,
  DEFAULT_RECIPE,
  startLayer,
  TensorOps,
  VectorQuantizer,
} from '@vq4dit/core';
import { demoModel } from '@vq4dit/demo-model';
import { BLOCK_LINEARS, blockLayer, DiTWeights, ditBlockStack, zeroDataSource } from '@vq4dit/dit';

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

const backend = await createTfjsWasmBackend();
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

const quantizer = new VectorQuantizer({ codewords: 256, subvector: 4, seed: 0 });
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
  collectGrams(ops, { stack, source, trajectories: DEFAULT_RECIPE.statisticsTrajectories }),
);
const layers = await phase('candidates and assignments', async () => {
  const starts = new Map();
  for (const { matrix, weight } of quantized) {
    const bias = await model.readFloat32(`${matrix.name}.bias`);
    const options = { ...DEFAULT_RECIPE, gram: grams.get(matrix.name) };
    starts.set(matrix.name, await startLayer(matrix, weight, bias, options));
  }
  return starts;
});
kernels.clear();
await phase(`calibration, ${STEPS} steps`, () =>
  calibrate(ops, { stack, source, layers, trajectories: 1, options: DEFAULT_RECIPE }),
);

const total = phases[`calibration, ${STEPS} steps`];
const inKernels = [...kernels].sort((a, b) => b[1] - a[1]);
const rest = total - inKernels.reduce((sum, [, ms]) => sum + ms / 1000, 0);
const shares = [...inKernels.map(([name, ms]) => [name, ms / 1000]), ['outside kernels', rest]];
console.table(
  Object.entries(phases).map(([name, seconds]) => ({ phase: name, seconds: seconds.toFixed(2) })),
);
console.table(
  shares
    .filter(([, seconds]) => seconds / total > 0.005)
    .map(([kernel, seconds]) => ({
      kernel,
      'ms per step': ((1000 * seconds) / STEPS).toFixed(1),
      share: `${((100 * seconds) / total).toFixed(1)} %`,
    })),
);
const report = {
  machine: { cpu: cpus()[0].model, cores: cpus().length, node: process.version },
  loadAverage: loadavg()[0],
  phases,
  secondsPerStep: total / STEPS,
  kernelSecondsPerStep: Object.fromEntries(shares.map(([name, s]) => [name, s / STEPS])),
};
writeFileSync(
  fileURLToPath(new URL('../results/demo-profile.json', import.meta.url)),
  `${JSON.stringify(report, null, 2)}\n`,
);
