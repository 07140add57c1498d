#!/usr/bin/env node
/**
 * Times one training step (batch 64), one calibration step (batch 8, hard assignments) and one sampling
 * step (10 images, guided) of the demo model on our backends and in PyTorch, in turns:
 *
 *   npm run build && node benchmarks/training/bench.mjs [--rounds 3] [--kinds train,sample] [--out file.json]
 *
 * Before any time counts, everybody's first results must agree. Needs a Python with PyTorch (PYTHON,
 * default /usr/bin/python3). Results go to benchmarks/results/training-node<major>.json, where what is
 * not measured again stays.
 */
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { createTfjsWasmBackend } from '@vq4dit/backend-tfjs';
import { createWasmBackend } from '@vq4dit/backend-wasm';
import { machine } from '../machine.mjs';
import { createOurs } from './ours.mjs';
import { startPeer } from './peer.mjs';
import { makeProblems, writeProblems } from './problem.mjs';

const { values: flags } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    kinds: { type: 'string', default: 'train,calibration,sample' },
    out: { type: 'string' },
  },
});
const major = process.versions.node.split('.')[0];
const out = flags.out ?? new URL(`../results/training-node${major}.json`, import.meta.url).pathname;
const python = process.env.PYTHON ?? '/usr/bin/python3';

/** Steps of one turn. The slow backend makes fewer, so that the others' turns stay close. */
const KINDS = [
  { kind: 'train', script: 'train_step.py', count: 3, slow: 1 },
  { kind: 'calibration', script: 'calibration_step.py', count: 6, slow: 3 },
  { kind: 'sample', script: 'sample_step.py', count: 6, slow: 3 },
];
/** The first result of everybody may differ by float32 rounding, added up over a model's depth. */
const TOLERANCE = 1e-4;

const OURS = [
  { name: 'wasm, 1 thread', create: () => createWasmBackend({ threads: 1 }) },
  { name: 'wasm, 2 threads', create: () => createWasmBackend({ threads: 2 }) },
  { name: 'tfjs-wasm, 1 thread', create: createTfjsWasmBackend, isSlow: true },
];
/** Threads of PyTorch itself and of its BLAS; either of the last two may be the faster one. */
const PEERS = [
  { name: 'PyTorch, 1 thread', threads: { own: 1, blas: 1 } },
  { name: 'PyTorch, 2 threads', threads: { own: 2, blas: 2 } },
  { name: 'PyTorch, 2 in BLAS only', threads: { own: 1, blas: 2 } },
];
const wanted = (name) => flags.only?.split('/').some((part) => name.includes(part)) ?? true;

const kinds = KINDS.filter(({ kind }) => flags.kinds.split(',').includes(kind));
const folder = mkdtempSync(join(os.tmpdir(), 'training-benchmark-'));
const contenders = [];
let versions;
try {
  const problems = await makeProblems();
  await writeProblems(folder, problems);
  for (const { name, create, isSlow } of OURS) {
    if (!wanted(name)) continue;
    const ours = await createOurs(name, await create(), problems);
    contenders.push({ ...ours, isSlow, run: (kind, count) => ours[kind](count) });
  }
  for (const { name, threads } of PEERS) {
    if (!wanted(name)) continue;
    const scripts = {};
    for (const { kind, script } of kinds) {
      scripts[kind] = await startPeer(python, script, join(folder, `${kind}.safetensors`), threads);
    }
    versions = Object.values(scripts)[0].versions;
    contenders.push({
      name,
      device: 'CPU',
      run: (kind, count) => scripts[kind].run(count),
      close: () => Object.values(scripts).map((peer) => peer.close()),
    });
  }

  const report = existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')) : {};
  report.benchmark = 'training';
  report.machine = { ...machine(), v8: process.versions.v8, ...versions };
  for (const { kind, count, slow } of kinds) {
    await agree(kind);
    const seconds = new Map(contenders.map(({ name }) => [name, []]));
    for (let round = 0; round < Number(flags.rounds); round++) {
      for (const { name, isSlow, run } of contenders) {
        seconds.get(name).push(...(await run(kind, isSlow ? slow : count)).seconds);
      }
    }
    const rows = contenders.map(({ name, device }) => summary(name, device, seconds.get(name)));
    report[kind] = { date: new Date().toISOString(), loadAverage: os.loadavg()[0], rows };
    console.log(`\n${kind} step, milliseconds`);
    for (const row of rows) {
      console.log(row.name.padEnd(24), row.milliseconds.toFixed(1).padStart(9), row.device);
    }
  }
  writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);
} finally {
  for (const contender of contenders) await contender.close();
  rmSync(folder, { recursive: true, force: true });
}

/** Warms everybody up and compares what their first steps computed. */
async function agree(kind) {
  let expected;
  for (const { name, run } of contenders) {
    const { values } = await run(kind, 2);
    expected ??= values[0];
    const error = Math.abs(values[0] / expected - 1);
    console.error(`${kind}: ${name} computes ${values[0]}`);
    if (!(error < TOLERANCE)) throw new Error(`${kind}: ${name} differs by ${error}.`);
  }
}

/** Median of all steps: other processes only ever make one slower. */
function summary(name, device, seconds) {
  const sorted = [...seconds].sort((a, b) => a - b);
  const at = (share) => sorted[Math.floor(share * (sorted.length - 1))] * 1000;
  return {
    name,
    device,
    milliseconds: at(0.5),
    fastest: at(0),
    slowest: at(1),
    steps: seconds.length,
  };
}
