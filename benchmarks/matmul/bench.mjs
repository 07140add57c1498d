#!/usr/bin/env node
/**
 * Times the linear layers of DiT-XL/2, x W^T, on this project's WebAssembly kernels (dense and from
 * packed 2-bit weights), on TensorFlow.js's and in PyTorch, in turns:
 *
 *   npm run build && node benchmarks/matmul/bench.mjs [--rounds 7] [--only fc1] [--out file.json]
 *
 * Before any time counts, some elements of every result are compared with float64. GFLOP/s are
 * medians over all runs of a contender. The weight stays the same from run to run, which lets
 * TensorFlow.js keep a packed copy of it. Needs a Python with PyTorch for the last rows (PYTHON,
 * default /usr/bin/python3). Results go to benchmarks/results/matmul-node<major>.json.
 */
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import os from 'node:os';
import { parseArgs } from 'node:util';
import { createTfjsWasmBackend } from '@vq4dit/backend-tfjs';
import { createWasmBackend } from '@vq4dit/backend-wasm';
import { linear, PackedWeight, RandomStream, TensorOps } from '@vq4dit/core';
import { machine } from '../machine.mjs';
import { startPeer } from '../training/peer.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    only: { type: 'string', default: '' },
    out: { type: 'string' },
  },
});
const major = process.versions.node.split('.')[0];
const out = flags.out ?? new URL(`../results/matmul-node${major}.json`, import.meta.url).pathname;
const python = process.env.PYTHON ?? '/usr/bin/python3';
/** What one contender does before the next one's turn. */
const TURN_MS = 120;

/** One guided image of 256 pixels is 2 x 256 tokens; of 512 pixels, 2 x 1024. */
const SHAPES = [
  { layer: 'qkv', m: 512, k: 1152, n: 3456 },
  { layer: 'proj', m: 512, k: 1152, n: 1152 },
  { layer: 'fc1', m: 512, k: 1152, n: 4608 },
  { layer: 'fc2', m: 512, k: 4608, n: 1152 },
  { layer: 'qkv, one image at 512', m: 1024, k: 1152, n: 3456 },
  { layer: 'adaLN', m: 2, k: 1152, n: 6912 },
];

const OURS = [
  {
    name: 'wasm, 1 thread',
    create: () => createWasmBackend({ threads: 1 }),
    packed: [false, true],
  },
  {
    name: 'wasm, 2 threads',
    create: () => createWasmBackend({ threads: 2 }),
    packed: [false, true],
  },
  { name: 'tfjs-wasm, 1 thread', create: createTfjsWasmBackend, packed: [false] },
];
/** The product is BLAS's alone; PyTorch's own threads would only stand in its way. */
const PEERS = [
  { name: 'PyTorch, 1 thread', threads: { own: 1, blas: 1 } },
  { name: 'PyTorch, 2 threads', threads: { own: 1, blas: 2 } },
];

const noPeer = whyNoPeer();
if (noPeer) console.error(`Without PyTorch: ${noPeer}`);
const backends = [];
for (const ours of OURS) backends.push({ ...ours, backend: await ours.create() });

const report = {
  benchmark: 'matmul',
  date: new Date().toISOString(),
  machine: { ...machine(), v8: process.versions.v8 },
  devices: Object.fromEntries(backends.map(({ name, backend }) => [name, backend.info().device])),
  ...(noPeer && { withoutPyTorch: noPeer }),
  results: [],
};
for (const shape of SHAPES) {
  if (!shape.layer.includes(flags.only)) continue;
  const results = await race(shape);
  report.results.push({ ...shape, results });
  print(shape, results);
}
report.loadAverageAtEnd = os.loadavg()[0];
writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);
for (const { backend } of backends) await backend.close();

/** Everybody in turns, and the median of each. */
async function race(shape) {
  const flop = 2 * shape.m * shape.k * shape.n;
  const contenders = await enter(shape);
  const seconds = contenders.map(() => []);
  const counts = [];
  for (const { run } of contenders) {
    await run(3);
    const [best] = (await run(3)).sort((a, b) => a - b);
    counts.push(Math.max(1, Math.round(TURN_MS / 1000 / best)));
  }
  for (let round = 0; round < Number(flags.rounds); round++) {
    for (const [i, { run }] of contenders.entries()) seconds[i].push(...(await run(counts[i])));
  }
  for (const { close } of contenders) close();
  return contenders.map(({ name }, i) => {
    const sorted = seconds[i].sort((a, b) => a - b);
    const speed = (share) => {
      const at = sorted[Math.floor(share * (sorted.length - 1))];
      return Number((flop / at / 1e9).toPrecision(3));
    };
    return { name, gflops: speed(0.5), fastest: speed(0), slowest: speed(1), runs: sorted.length };
  });
}

/** Functions that do so many runs and give the seconds of each. */
async function enter({ m, k, n }) {
  const stream = new RandomStream(1);
  const x = stream.fillNormal(new Float32Array(m * k));
  const [codewords, d] = [256, 4];
  const codebook = stream.fillNormal(new Float32Array(codewords * d));
  const codes = Uint8Array.from({ length: (n * k) / d }, () => stream.integer(codewords));
  const w = new Float32Array(n * k);
  for (const [i, code] of codes.entries())
    w.set(codebook.subarray(code * d, (code + 1) * d), i * d);

  const contenders = [];
  for (const { name, backend, packed } of backends) {
    for (const isPacked of packed) {
      const ops = new TensorOps(backend);
      const input = ops.tensor(x, [m, k]);
      const size = { rows: n, columns: k, groups: 1, k: codewords, d };
      const weight = isPacked
        ? PackedWeight.upload(ops, { name: 'w', ...size, codes, codebook })
        : ops.tensor(w, [n, k]);
      const what = isPacked ? `${name}, packed` : name;
      await check(what, ops, input, weight, { x, w, m, k, n });
      contenders.push({
        name: what,
        async run(count) {
          const seconds = [];
          for (let i = 0; i < count; i++) {
            const start = performance.now();
            ops.scope((s) => {
              linear(s, input, weight);
            });
            await backend.sync();
            seconds.push((performance.now() - start) / 1000);
          }
          return seconds;
        },
        close() {
          input.dispose();
          weight.dispose();
        },
      });
    }
  }
  if (noPeer) return contenders;
  for (const { name, threads } of PEERS) {
    const peer = await startPeer(python, 'matmul.py', [m, k, n].join('x'), threads);
    report.machine.torch = peer.versions.torch;
    const run = async (count) => (await peer.run(count)).seconds;
    contenders.push({ name, run, close: peer.close });
  }
  return contenders;
}

/** Compares some elements with float64, where every product and sum rounds by 2^-24 at most. */
async function check(name, ops, input, weight, { x, w, m, k, n }) {
  const y = await ops.scope((s) => s.read(linear(s, input, weight)));
  for (let t = 0; t < 200; t++) {
    const [i, j] = [(t * 7919) % m, (t * 104729) % n];
    let [sum, size] = [0, 0];
    for (let p = 0; p < k; p++) {
      const term = x[i * k + p] * w[j * k + p];
      sum += term;
      size += Math.abs(term);
    }
    if (!(Math.abs(y[i * n + j] - sum) <= k * 2 ** -24 * size)) {
      throw new Error(`${name}: element [${i}, ${j}] is ${y[i * n + j]}, not ${sum}.`);
    }
  }
}

function print({ layer, m, k, n }, results) {
  const of = (name) => results.find((result) => result.name === name)?.gflops;
  console.log(`\n${layer}: ${m} x ${k} -> ${n}`);
  for (const { name, gflops, fastest, slowest } of results) {
    const ratio = (gflops / of('tfjs-wasm, 1 thread')).toFixed(2);
    const figures = `${gflops.toFixed(1).padStart(8)} GFLOP/s (${slowest} to ${fastest})`;
    console.log(`  ${name.padEnd(26)} ${figures.padEnd(40)} ${ratio} times tfjs-wasm`);
  }
}

/** Undefined where PyTorch can be started. */
function whyNoPeer() {
  const { status, error, stderr } = spawnSync(python, ['-c', 'import torch'], { encoding: 'utf8' });
  if (status === 0) return undefined;
  return error?.message ?? `${python} says: ${stderr.trim().split('\n').at(-1)}`;
}
