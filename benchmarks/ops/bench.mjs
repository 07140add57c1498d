// Times the operations that the method spends its time in, on one backend.
//   npx nx run-many -t build && node benchmarks/ops/bench.mjs [tfjs-wasm|tfjs-cpu] [out.json]
// `ms` is the median of repeated runs after warming up, each ended with `sync`; `cpuMs` is the
// processor time per run of all threads of the process, which does not see what else the machine does.

import { writeFile } from 'node:fs/promises';
import { createTfjsCpuBackend, createTfjsWasmBackend } from '@vq4dit/backend-tfjs';
import {
  attention,
  gelu,
  layerNorm,
  linear,
  rmspropStep,
  silu,
  softmax,
  softReconstruct,
  softReconstructGradOp,
  TensorOps,
} from '@vq4dit/core';
import { machine } from '../machine.mjs';

const CREATE = { 'tfjs-wasm': createTfjsWasmBackend, 'tfjs-cpu': createTfjsCpuBackend };
const only = process.env.ONLY;
const [id = 'tfjs-wasm', outFile = `benchmarks/results/ops-${id}.json`] = process.argv.slice(2);
if (!CREATE[id])
  throw new Error(`Unknown backend "${id}"; known: ${Object.keys(CREATE).join(', ')}.`);

const backend = await CREATE[id]();
const results = [];

/** A small deterministic generator: the values do not matter, only that they are ordinary. */
let state = 1;
function random() {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
  return state / 2 ** 32;
}
const gaussian = (n, scale = 1) =>
  Float32Array.from({ length: n }, () => scale * (random() + random() + random() + random() - 2));
const integers = (n, below) => Int32Array.from({ length: n }, () => Math.floor(random() * below));

/** Runs `body` for about `budgetMs`; `work` is what it does, in floating-point operations or bytes. */
async function time(name, shape, work, make, body, options = {}) {
  if (only && !name.includes(only)) return;
  const { budgetMs = 1200, fused = true } = options;
  const ops = new TensorOps(backend, { fused });
  await ops.scope(async (outer) => {
    const inputs = make(outer);
    const run = async () => {
      const start = performance.now();
      outer.scope((s) => {
        body(s, ...inputs);
      });
      await backend.sync();
      return performance.now() - start;
    };
    const first = await run();
    for (let spent = first; spent < budgetMs / 4; ) spent += Math.max(0.01, await run());
    const times = [];
    const cpuBefore = process.cpuUsage();
    for (let spent = 0; spent < budgetMs && times.length < 500; ) {
      times.push(await run());
      spent += Math.max(0.01, times.at(-1));
    }
    const cpu = process.cpuUsage(cpuBefore);
    const cpuMs = (cpu.user + cpu.system) / 1000 / times.length;
    times.sort((a, b) => a - b);
    const ms = times[times.length >> 1];
    const row = {
      name,
      shape,
      fused,
      ms: Number(ms.toPrecision(4)),
      cpuMs: Number(cpuMs.toPrecision(4)),
      runs: times.length,
    };
    if (work.flop) row.gflops = Number((work.flop / ms / 1e6).toPrecision(3));
    if (work.bytes) row.gbps = Number((work.bytes / ms / 1e6).toPrecision(3));
    results.push(row);
    console.log(
      `${name.padEnd(26)} ${shape.padEnd(24)} ${fused ? '        ' : 'composed'} ${ms.toFixed(3).padStart(10)} ms ${cpuMs.toFixed(3).padStart(10)} ms of CPU`,
      row.gflops ? `${row.gflops} GFLOP/s` : row.gbps ? `${row.gbps} GB/s` : '',
    );
  });
}

const LINEAR = [
  ['demo qkv', 392, 192, 576],
  ['demo proj', 392, 192, 192],
  ['demo fc1', 392, 192, 768],
  ['demo fc2', 392, 768, 192],
  ['demo adaLN', 8, 192, 1152],
  ['DiT-XL/2 qkv', 256, 1152, 3456],
  ['DiT-XL/2 fc1', 256, 1152, 4608],
];
for (const [name, rows, from, to] of LINEAR) {
  const flop = 2 * rows * from * to;
  const shape = `${rows}x${from} -> ${to}`;
  const make = (s) => [
    s.tensor(gaussian(rows * from), [rows, from]),
    s.tensor(gaussian(to * from, 0.05), [to, from]),
    s.tensor(gaussian(to), [to]),
    s.tensor(gaussian(rows * to), [rows, to]),
  ];
  await time(`linear, ${name}`, shape, { flop }, make, (s, x, w, b) => linear(s, x, w, b));
  // A student's weights are new in every step: nothing packed earlier can be used again.
  await time(`linear new W, ${name}`, shape, { flop }, make, (s, x, w, b) =>
    linear(s, x, s.neg(w), b),
  );
  await time(`grad x, ${name}`, shape, { flop }, make, (s, _x, w, _b, g) => s.matmul(g, s.neg(w)));
  await time(`grad W, ${name}`, shape, { flop }, make, (s, x, _w, _b, g) =>
    s.matmul(g, s.neg(x), { transposeA: true }),
  );
}

for (const [name, b, h, t, d] of [
  ['demo', 8, 3, 49, 64],
  ['DiT-XL/2', 1, 16, 256, 72],
]) {
  const make = (s) => [0, 1, 2].map(() => s.tensor(gaussian(b * h * t * d), [b, h, t, d]));
  const shape = `${b * h} x ${t}x${d}`;
  const flop = 4 * b * h * t * t * d;
  await time(`attention, ${name}`, shape, { flop }, make, (s, q, k, v) => attention(s, q, k, v));
  await time(`q k^T, ${name}`, shape, { flop: flop / 2 }, make, (s, q, k) =>
    s.matmul(q, k, { transposeB: true }),
  );
  await time(`heads permute, ${name}`, shape, { bytes: 8 * b * h * t * d }, make, (s, q) =>
    s.permute(q, [0, 2, 1, 3]),
  );
}

const wide = (s) => [s.tensor(gaussian(392 * 768), [392, 768])];
const narrow = (s) => [s.tensor(gaussian(392 * 192), [392, 192])];
const scores = (s) => [s.tensor(gaussian(24 * 49 * 49), [24 * 49, 49])];
for (const fused of [true, false]) {
  const options = { fused };
  const traffic = (n) => ({ bytes: 8 * n });
  await time('softmax', '1176x49', traffic(1176 * 49), scores, (s, x) => softmax(s, x), options);
  await time(
    'layerNorm',
    '392x192',
    traffic(392 * 192),
    narrow,
    (s, x) => layerNorm(s, x),
    options,
  );
  await time('gelu', '392x768', traffic(392 * 768), wide, (s, x) => gelu(s, x), options);
  await time('silu', '392x768', traffic(392 * 768), wide, (s, x) => silu(s, x), options);

  const [n, k] = [2, 256];
  for (const [rows, d] of [
    [1_000_000, 4],
    [250_000, 4],
    [500_000, 2],
  ]) {
    const make = (s) => [
      s.tensor(gaussian(k * d), [k, d]),
      s.indices(integers(rows * n, k), [rows, n]),
      s.tensor(gaussian(rows * n), [rows, n]),
      s.tensor(gaussian(rows * d), [rows, d]),
    ];
    const shape = `${rows} x ${n}, d=${d}`;
    await time(
      'soft reconstruction',
      shape,
      { bytes: 4 * rows * (2 * n + d) },
      make,
      (s, c, a, r) => softReconstruct(s, c, a, r),
      options,
    );
    await time(
      'soft reconstruction grad',
      shape,
      { bytes: 4 * rows * (3 * n + d) },
      make,
      (s, c, a, r, g) => s.composed(softReconstructGradOp, [c, a, r, g], undefined),
      options,
    );
  }
  const logits = 2_000_000;
  const triple = (s) =>
    [0, 1, 2].map((i) =>
      s.tensor(i === 2 ? gaussian(logits).map(Math.abs) : gaussian(logits), [logits]),
    );
  await time(
    'RMSprop step',
    `${logits}`,
    { bytes: 20 * logits },
    triple,
    (s, v, g, q) => rmspropStep(s, v, g, q, { learningRate: 1e-3, decay: 0.99, epsilon: 1e-8 }),
    options,
  );
}
const ratios = (s) => [s.tensor(gaussian(2_000_000), [1_000_000, 2])];
await time('softmax of ratios', '1000000x2', { bytes: 16e6 }, ratios, (s, x) => softmax(s, x));
for (const [rows, d, k] of [
  [100_000, 4, 256],
  [100_000, 2, 64],
]) {
  const make = (s) => [s.tensor(gaussian(rows * d), [rows, d]), s.tensor(gaussian(k * d), [k, d])];
  await time('nearest, n=2', `${rows}x${d}, k=${k}`, { flop: 3 * rows * k * d }, make, (s, x, c) =>
    s.nearest(x, c, 2),
  );
}

const report = {
  backend: backend.info(),
  // Above the number of cores, `ms` is too long by their quotient; `cpuMs` is not.
  machine: machine(),
  date: new Date().toISOString().slice(0, 10),
  results,
};
await writeFile(outFile, `${JSON.stringify(report, null, 2)}\n`);
await backend.close();
