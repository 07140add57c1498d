#!/usr/bin/env node
/**
 * Measures every backend that starts on this machine, and the peers beside them:
 *
 *   npm run build && node tools/install-native.mjs peers
 *   node benchmarks/backends/bench.mjs [--backends wasm,tfjs-wasm] [--only 'linear|k-means'] ...
 *
 * Operations at the shapes of DiT-XL/2 (the workloads of `vq4dit-conformance perf`), k-means of one
 * layer, one calibration and one sampling step of the demo model. Each contender has a process of its
 * own; they take turns. No time counts before the result is judged. Peers multiply matrices; PyTorch
 * (PYTHON, default /usr/bin/python3) makes the steps too. What cannot start is named, with the reason.
 *
 *   --backends LIST   contenders, ours and peers; default all
 *   --only REGEX      cases by their id
 *   --rounds N        turns of each contender; default 3
 *   --budget SECONDS  longest turn, preparation and check included; default 30
 *   --quick           one round of short turns
 *   --out FILE.jsonl  default benchmarks/results/backends.jsonl; rows measured again are replaced
 *
 * A page (.html) and a summary (.md) of all rows are written beside it.
 */
import { parseArgs } from 'node:util';
import { machine } from '../machine.mjs';
import { CASES } from './cases.mjs';
import { contenderIds, isBackend } from './contenders.mjs';
import { startProcess } from './process.mjs';
import { race } from './race.mjs';
import { writeReport } from './report.mjs';
import { mergeRows, rowOf } from './rows.mjs';
import { lineOf } from './summary.mjs';

const text = { type: 'string' };
const { values: flags } = parseArgs({
  options: {
    ...{ backends: text, only: text, rounds: text, budget: text, out: text },
    quick: { type: 'boolean', default: false },
  },
});
const rounds = positive('rounds', flags.quick ? 1 : 3);
const budget = positive('budget', 30);
const milliseconds = flags.quick ? 100 : 300;
const out = flags.out ?? new URL('../results/backends.jsonl', import.meta.url).pathname;
const only = new RegExp(flags.only ?? '');
const cases = CASES.filter(({ id }) => only.test(id));
const ids = chosen();
if (cases.length === 0) fail(`No case matches --only ${flags.only}.`);

const contenders = [];
try {
  for (const id of ids) await enter(id);
  if (contenders.length === 0) fail('None of the contenders starts; the reasons are above.');
  for (const wanted of cases) {
    console.log(`\n${wanted.id}`);
    const options = { rounds, milliseconds, budget };
    const results = await race(wanted, contenders, options);
    const rows = results.map((result) => rowOf(wanted, contenderOf(result.id), result, machine()));
    for (const row of rows) console.log(lineOf(row, rows));
    // After each case, so that an interrupted run keeps what it has measured.
    mergeRows(out, rows);
  }
} finally {
  for (const { process } of contenders) process.close();
}
writeReport(out);

/** Starts a contender and, where its process had to be ended, starts it again for the next turn. */
async function enter(id) {
  const first = await startProcess(id, budget);
  if (first.unavailable || !first.isAlive) {
    console.log(`${id} takes no part: ${first.unavailable ?? first.message}`);
    return;
  }
  console.log(`${id}: ${[first.device, first.version].filter(Boolean).join(', ')}`);
  contenders.push({
    id,
    isBackend: isBackend(id),
    device: first.device,
    version: first.version,
    process: first,
    async turn(message) {
      if (!this.process.isAlive) this.process = await startProcess(id, budget);
      return this.process.ask(message);
    },
  });
}

function contenderOf(id) {
  return contenders.find((contender) => contender.id === id);
}

function chosen() {
  const known = contenderIds();
  const wanted = flags.backends?.split(',') ?? known;
  const stranger = wanted.find((id) => !known.includes(id));
  if (stranger !== undefined) fail(`No contender is called "${stranger}": ${known.join(', ')}.`);
  return wanted;
}

function positive(name, fallback) {
  const value = Number(flags[name] ?? fallback);
  if (!(value > 0)) fail(`--${name} must be a positive number.`);
  return value;
}

function fail(message) {
  console.error(message);
  process.exit(2);
}
