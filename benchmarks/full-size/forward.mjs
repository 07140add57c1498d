#!/usr/bin/env node
/**
 * One forward pass of DiT-XL/2 at 256 and 512 pixels: from float32 weights and from packed 2-bit
 * weights, in turns in one process; then once more each in a process of its own for the peak memory.
 *
 *   npm run build && node benchmarks/full-size/bench.mjs --presets DiT-XL/2
 *   node benchmarks/full-size/forward.mjs [--preset DiT-XL/2] [--folder dir] [--repeats 3] [--backend wasm]
 *
 * The first command makes the checkpoint and the artefact that the second one reads. A pass is one
 * guided image: a batch of two. The machine's peak is taken to be what PyTorch's matrix product
 * reaches on all cores (2048 x 2048 x 2048, best of ten), where Python has PyTorch. Results: benchmarks/results/forward-node<major>.json.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openModel } from '@vq4dit/checkpoint';
import { createRegistry } from '@vq4dit/cli';
import { RandomStream, TensorOps } from '@vq4dit/core';
import { blockLinearShapes, DiTWeights, ditForward, tokenCount } from '@vq4dit/dit';
import { machine, pythonEnvironment } from '../machine.mjs';

const root = fileURLToPath(new URL('../..', import.meta.url));
const { values } = parseArgs({
  options: {
    preset: { type: 'string', default: 'DiT-XL/2' },
    folder: { type: 'string', default: join(tmpdir(), 'vq4dit-bench-full-size') },
    repeats: { type: 'string', default: '3' },
    backend: { type: 'string' },
    images: { type: 'string', default: '256,512' },
    only: { type: 'string' },
  },
});
const name = values.preset.replace('/', '-');
const files = {
  float32: join(values.folder, `${name}.safetensors`),
  packed: join(values.folder, `${name}-vq`),
};
for (const [kind, path] of Object.entries(files)) {
  if (!existsSync(path)) {
    console.error(
      `There is no ${kind} model at ${path}; run benchmarks/full-size/bench.mjs first.`,
    );
    process.exit(1);
  }
}
const images = values.images.split(',').map(Number);

if (values.only) await alone(values.only);
else await compare();

/** One kind of weights in this process, for its peak memory. */
async function alone(kind) {
  const backend = await createRegistry().init(values.backend);
  const ops = new TensorOps(backend);
  const started = performance.now();
  const weights = await load(ops, kind, images[0]);
  const loadSeconds = (performance.now() - started) / 1000;
  const [seconds] = await time(ops, weights, 1);
  weights.dispose();
  await backend.close();
  const peakRssBytes = process.resourceUsage().maxRSS * 1024;
  console.log(JSON.stringify({ loadSeconds, firstPassSeconds: seconds, peakRssBytes }));
}

/** GFLOP/s of PyTorch's matrix product on all cores; undefined without PyTorch. */
function machinePeak() {
  const script = `
import time, torch
a = torch.randn(2048, 2048); best = 1e9
for _ in range(10):
    t = time.perf_counter(); a @ a; best = min(best, time.perf_counter() - t)
print(2 * 2048 ** 3 / best / 1e9)`;
  const python = process.env.PYTHON ?? 'python3';
  const done = spawnSync(python, ['-c', script], {
    stdio: ['ignore', 'pipe', 'ignore'],
    env: pythonEnvironment(),
  });
  return done.status === 0 ? Number(done.stdout.toString()) : undefined;
}

async function compare() {
  const peak = machinePeak();
  const rows = [];
  let info;
  for (const image of images) {
    const backend = await createRegistry().init(values.backend);
    info = backend.info();
    const ops = new TensorOps(backend);
    const models = {};
    for (const kind of Object.keys(files)) models[kind] = await load(ops, kind, image);
    const flop = flopOf(models.packed.config);
    const seconds = { float32: [], packed: [] };
    for (let i = 0; i < Number(values.repeats) + 1; i++) {
      for (const kind of Object.keys(files)) {
        const [time1] = await time(ops, models[kind], 1);
        if (i > 0) seconds[kind].push(time1); // The first pass of each warms up.
      }
    }
    for (const model of Object.values(models)) model.dispose();
    await backend.close();
    for (const kind of Object.keys(files)) {
      const child = spawnSync(
        process.execPath,
        [
          fileURLToPath(import.meta.url),
          ...process.argv.slice(2),
          '--only',
          kind,
          '--images',
          `${image}`,
        ],
        { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] },
      );
      const median = [...seconds[kind]].sort((a, b) => a - b)[seconds[kind].length >> 1];
      rows.push({
        image,
        weights: kind,
        seconds: median,
        all: seconds[kind],
        gflops: flop / median / 1e9,
        ...JSON.parse(child.stdout.toString()),
      });
    }
  }
  const report = {
    machine: {
      ...machine(),
      v8: process.versions.v8,
    },
    backend: info,
    preset: values.preset,
    batch: 2,
    peakGflops: peak,
    rows,
  };
  const major = process.versions.node.split('.')[0];
  writeFileSync(
    join(root, `benchmarks/results/forward-node${major}.json`),
    `${JSON.stringify(report, null, 2)}\n`,
  );
  console.log(`${info.device}, Node ${process.versions.node}`);
  console.table(
    rows.map((row) => ({
      image: row.image,
      weights: row.weights,
      seconds: row.seconds.toFixed(2),
      'GFLOP/s': row.gflops.toFixed(1),
      'of peak': peak ? `${((100 * row.gflops) / peak).toFixed(0)} %` : 'no PyTorch',
      'load s': row.loadSeconds.toFixed(1),
      'peak RSS MiB': (row.peakRssBytes / 2 ** 20).toFixed(0),
    })),
  );
}

async function load(ops, kind, image) {
  const file = await openModel(files[kind]);
  try {
    // The position embedding is the only weight that depends on the image size; it is computed.
    const config = { ...file.config, inputSize: image / 8 };
    const source = {
      name: file.name,
      names: () => file.names().filter((tensor) => tensor !== 'pos_embed'),
      entry: (tensor) => file.entry(tensor),
      readFloat32: (tensor) => file.readFloat32(tensor),
      readPacked: (tensor) => file.readPacked?.(tensor),
    };
    return await DiTWeights.load(ops, config, source, { packed: kind === 'packed' });
  } finally {
    await file.close();
  }
}

/** Seconds of each of `count` forward passes of a guided image. */
async function time(ops, model, count) {
  const { inChannels, inputSize, numClasses } = model.config;
  const noise = new RandomStream(0, 'benchmark').fillNormal(
    new Float32Array(2 * inChannels * inputSize ** 2),
  );
  const out = [];
  for (let i = 0; i < count; i++) {
    const started = performance.now();
    const values = await ops.scope(async (s) => {
      const x = s.tensor(noise, [2, inChannels, inputSize, inputSize]);
      return s.read(ditForward(s, model, x, [500, 500], [207, numClasses]));
    });
    out.push((performance.now() - started) / 1000);
    if (!values.every(Number.isFinite)) throw new Error('The output is not finite.');
  }
  return out;
}

/** Multiplications and additions of the blocks' products, for a batch of two. */
function flopOf(config) {
  const tokens = tokenCount(config);
  let flop = 0;
  for (const [layer, [rows, columns]] of Object.entries(blockLinearShapes(config))) {
    const inputs = layer.startsWith('adaLN') ? 2 : 2 * tokens;
    flop += 2 * inputs * rows * columns;
  }
  flop += 2 * (4 * tokens ** 2 * config.hiddenSize); // q k^T and P v
  return flop * config.depth;
}
