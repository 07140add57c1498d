#!/usr/bin/env node
/**
 * What `vq4dit quantize` takes with each recipe on the demo model, from start to artefact, and the error
 * that it leaves. The contenders take turns; each run is a process of its own.
 *
 *   npm run build && node benchmarks/recipes/bench.mjs [--rounds 2]
 *
 * Results: benchmarks/results/recipes.json.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { demoModel } from '@vq4dit/demo-model';
import { machine } from '../machine.mjs';

/** The last has less training, so that all of it takes no longer than the paper's recipe. */
const CONTENDERS = [{ recipe: 'paper' }, { recipe: 'best' }, { recipe: 'best', trajectories: 17 }];
const { values } = parseArgs({ options: { rounds: { type: 'string', default: '2' } } });
const rounds = Number(values.rounds);
const root = fileURLToPath(new URL('../..', import.meta.url));
const original = fileURLToPath(demoModel.checkpoint);
const folder = mkdtempSync(join(tmpdir(), 'vq4dit-bench-recipes-'));

const rows = CONTENDERS.map((contender) => ({ ...contender, seconds: [] }));
const options = ({ recipe, trajectories }) => [
  ...['--bits', '2', '--seed', '0', '--recipe', recipe],
  ...(trajectories ? ['--trajectories', String(trajectories)] : []),
];
const before = machine();
try {
  for (let round = 0; round < rounds; round++) {
    for (const [i, contender] of CONTENDERS.entries()) {
      const out = join(folder, `${i}-${round}`);
      const started = performance.now();
      run('quantize', original, out, ...options(contender));
      rows[i].seconds.push((performance.now() - started) / 1000);
      if (round > 0) continue; // the same artefact again
      const { errors, bitsPerWeight } = run('verify', original, out, '--blocks');
      Object.assign(rows[i], { bitsPerWeight, blockMse: errors.block, noiseMse: errors.eps });
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true });
}
console.table(
  rows.map(({ seconds, blockMse, ...contender }) => ({
    options: options(contender).join(' '),
    seconds: seconds.map((value) => value.toFixed(1)).join(', '),
    'block MSE': blockMse.toExponential(2),
  })),
);
writeFileSync(
  join(root, 'benchmarks/results/recipes.json'),
  `${JSON.stringify({ machine: before, rows }, null, 2)}\n`,
);

function run(...args) {
  const command = join(root, 'packages/cli/bin/vq4dit.js');
  const stdout = execFileSync(process.execPath, [command, ...args, '--json', '--quiet'], {
    encoding: 'utf8',
    maxBuffer: 2 ** 26,
  });
  return JSON.parse(stdout);
}
