#!/usr/bin/env node
/**
 * Ideas for a better calibration, each on the demo model with the same bits per weight and the same
 * trajectories, measured along trajectories that none has seen:
 *
 *   npm run build && node benchmarks/ideas/bench.mjs [--bits 2] [--seeds 0,1,2] [--trajectories 20] [--only REGEX]
 *
 * Rows that were measured before with the same settings are kept: the run may be stopped and goes on.
 * Results: benchmarks/results/ideas.json
 */
import { existsSync, readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { IDEAS } from './ideas.mjs';
import { hardStart, measure, openLab, relativeError, train, writeResults } from './lab.mjs';

const { values: flags } = parseArgs({
  options: {
    bits: { type: 'string', default: '2' },
    seeds: { type: 'string', default: '0' },
    trajectories: { type: 'string', default: '20' },
    only: { type: 'string', default: '' },
  },
});
const trajectories = Number(flags.trajectories);
const bits = Number(flags.bits);
const wanted = IDEAS.filter(({ name }) => new RegExp(flags.only).test(name));
const file = new URL('../results/ideas.json', import.meta.url);
const rows = existsSync(file) ? JSON.parse(readFileSync(file, 'utf8')).rows : [];
const isDone = (name, seed) =>
  rows.some(
    (row) =>
      row.idea === name &&
      row.bits === bits &&
      row.seed === seed &&
      row.trajectories === trajectories,
  );

for (const seed of flags.seeds.split(',').map(Number)) {
  if (wanted.every(({ name }) => isDone(name, seed))) continue;
  const lab = await openLab({ seed, bits });
  for (const { name, start, options = {}, again } of wanted) {
    if (isDone(name, seed)) continue;
    const began = performance.now();
    const quantized = await start(lab);
    const started = performance.now();
    const layers = hardStart(lab, quantized);
    const legs = again ? 2 : 1;
    const leg = { trajectories: trajectories / legs, ...options };
    let calibrated = await train(lab, layers, leg);
    if (again)
      calibrated = await train(lab, await again(lab, calibrated), {
        ...leg,
        first: leg.trajectories,
      });
    const trained = performance.now();
    const errors = lab.matrices.map((matrix) =>
      relativeError(matrix, quantized.get(matrix.name).reconstruct(), lab.grams.get(matrix.name)),
    );
    const row = {
      ...{ idea: name, bits, seed, trajectories },
      /** Mean over layers, before the training. */
      outputError: errors.reduce((a, b) => a + b, 0) / errors.length,
      start: await measure(lab, layers),
      ...(await measure(lab, calibrated)),
      startSeconds: (started - began) / 1000,
      trainSeconds: (trained - started) / 1000,
    };
    rows.push(row);
    console.log(
      `${bits} bits  ${name.padEnd(58)} seed ${seed}  start ${row.start.block.toExponential(2)}  block ${row.block.toExponential(3)}  noise ${row.eps.toExponential(3)}  ${row.startSeconds.toFixed(1)} + ${row.trainSeconds.toFixed(0)} s`,
    );
    writeResults('ideas', { command: 'node benchmarks/ideas/bench.mjs', rows });
  }
}
process.exit(0);
