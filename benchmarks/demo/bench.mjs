#!/usr/bin/env node
/**
 * What calibration is worth on the demo model at 2 bits: every way to calibrate, with the same number
 * of steps, measured on noise that none of them was calibrated with. Runs the command line only.
 *
 *   npm run build && node benchmarks/demo/bench.mjs [--seeds 0,1,2] [--only default,codebook-only]
 *
 * Results go to benchmarks/results/demo.json; finished rows are kept, so a stopped run goes on.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const cli = join(root, 'packages/cli/bin/vq4dit.js');
const model = join(root, 'packages/demo-model/data/dit-fashion.pt');
const results = join(root, 'benchmarks/results/demo.json');

const { values } = parseArgs({
  options: { seeds: { type: 'string', default: '0' }, only: { type: 'string' } },
});

/** Every row: a name, what it is, and the flags of `vq4dit quantize`. */
const ROWS = [
  ['vq', 'k-means only', ['--method', 'vq']],
  ['codebook-only', 'default recipe, assignments fixed (n = 1)', ['--candidates', '1']],
  ['default', 'default recipe', []],
  ['best', 'best recipe', ['--recipe', 'best']],
  ['paper', "the paper's recipe", ['--recipe', 'paper']],
  [
    'published-code',
    "the published program's recipe, codebooks and guidance",
    [
      '--recipe',
      'published-code',
      '--no-split-qkv',
      '--codebook-dtype',
      'F32',
      '--batch',
      '4',
      '--cfg',
      '4',
    ],
  ],
];

const report = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : { rows: [] };
report.machine = { cpu: cpus()[0].model, cores: cpus().length, node: process.version };
const only = values.only?.split(',');
for (const seed of values.seeds.split(',').map(Number)) {
  for (const [name, what, flags] of ROWS) {
    if (only && !only.includes(name)) continue;
    if (report.rows.some((row) => row.name === name && row.seed === seed)) continue;
    report.rows.push(measure(name, what, flags, seed));
    report.rows.sort((a, b) => a.seed - b.seed);
    writeFileSync(results, `${JSON.stringify(report, null, 2)}\n`);
  }
}
console.table(
  report.rows.map(({ name, seed, bitsPerWeight, weightMse, block, eps, seconds }) => ({
    name,
    seed,
    'bits/weight': bitsPerWeight.toFixed(3),
    'weight MSE': weightMse.toExponential(2),
    'block MSE': block.toFixed(5),
    'noise MSE': eps.toFixed(5),
    seconds: seconds.toFixed(0),
  })),
);

function measure(name, what, flags, seed) {
  const folder = join(tmpdir(), 'vq4dit-bench-demo');
  mkdirSync(folder, { recursive: true });
  const out = join(folder, `${name}-${seed}`);
  const quantized = run(['quantize', model, out, '--seed', String(seed), ...flags]);
  const errors = run(['verify', model, out, '--blocks']);
  const command = `vq4dit quantize dit-fashion.pt out --seed ${seed} ${flags.join(' ')}`.trim();
  return {
    name,
    what,
    seed,
    command,
    bytes: quantized.bytes,
    bitsPerWeight: quantized.bitsPerWeight,
    weightMse: errors.total.mse,
    block: errors.errors.block,
    eps: errors.errors.eps,
    perBlock: errors.errors.perBlock,
    seconds: Object.values(quantized.seconds).reduce((a, b) => a + b),
    loadAverage: loadavg()[0],
  };
}

function run(args) {
  console.error(`vq4dit ${args.join(' ')}`);
  const stdio = ['ignore', 'pipe', 'inherit'];
  const done = spawnSync(process.execPath, [cli, ...args, '--json'], { stdio, maxBuffer: 1 << 28 });
  if (done.status !== 0) throw new Error(`vq4dit ${args[0]} ended with ${done.status}`);
  return JSON.parse(done.stdout.toString());
}
