#!/usr/bin/env node
/**
 * The demo model, quantized to 2 bits and sampled on every backend that runs here, in Node and in
 * Chromium, compared with the reference:
 *
 *   npm run build && node benchmarks/equivalence/bench.mjs [--only wasm,gpujs] [--work out/equivalence]
 *
 * What a backend has finished is kept in the work folder, and a second run goes on; delete the folder
 * to begin again. Results: benchmarks/results/equivalence.json and docs/images/equivalence.png.
 * Exits with 1 where a backend is not equivalent.
 */
import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fromPlain, toPlain } from '../everywhere/plain.mjs';
import { BACKENDS, Missing, openRunners } from '../everywhere/runners.mjs';
import { compare } from './compare.mjs';
import { writePicture } from './picture.mjs';
import { makeProblem } from './problem.mjs';

const { values: flags } = parseArgs({
  options: { only: { type: 'string' }, work: { type: 'string', default: 'out/equivalence' } },
});
const ids = BACKENDS.filter(
  (id) => id === 'reference' || (flags.only?.split(',').includes(id) ?? true),
);
const results = new URL('../results/equivalence.json', import.meta.url).pathname;
const picture = new URL('../../docs/images/equivalence.png', import.meta.url).pathname;

mkdirSync(flags.work, { recursive: true });
const file = (name) => join(flags.work, `${name}.json`);
const load = (name) => fromPlain(JSON.parse(readFileSync(file(name), 'utf8')));
/** The result of a stage, from the folder where it is there. */
async function stage(name, work) {
  if (!existsSync(file(name))) {
    const started = performance.now();
    const value = await work();
    const seconds = (performance.now() - started) / 1000;
    writeFileSync(`${file(name)}.part`, JSON.stringify(toPlain({ value, seconds })));
    renameSync(`${file(name)}.part`, file(name));
    console.error(`${name}: ${seconds.toFixed(0)} s`);
  }
  return load(name);
}

const { value: problem } = await stage('problem', makeProblem);
const runners = openRunners();
const WORK = 'equivalence/work.mjs';
const outcomes = new Map();
const missing = [];
try {
  for (const id of ids) {
    try {
      outcomes.set(
        id,
        await stage(`quantized-${id}`, () => runners.run(id, WORK, 'quantize', problem)),
      );
    } catch (error) {
      if (!(error instanceof Missing)) throw error;
      missing.push({ id, reason: error.message.trim() });
      console.error(`${id}: does not run here (${error.message.trim()})`);
    }
  }
  const artefacts = [...outcomes.values()].map(({ value }) => value.artefact);
  for (const [id, outcome] of outcomes) {
    const drawn = await stage(`drawn-${id}-${outcomes.size}`, () =>
      runners.run(id, WORK, 'draw', problem, artefacts),
    );
    outcome.images = new Map([...outcomes.keys()].map((from, i) => [from, drawn.value[i]]));
    outcome.drawSeconds = drawn.seconds;
  }
} finally {
  await runners.close();
}

const rows = compare(problem, outcomes);
const machine = {
  cpu: os.cpus()[0].model,
  cores: os.cpus().length,
  node: process.version,
};
const report = { benchmark: 'equivalence', date: new Date().toISOString(), machine };
Object.assign(report, { settings: problem.settings, missing, rows });
writeFileSync(results, `${JSON.stringify(report, null, 2)}\n`);
await writePicture(picture, problem, outcomes);
console.table(
  Object.fromEntries(rows.map(({ backend, device: _, losses: __, ...row }) => [backend, row])),
);
if (rows.some(({ isEquivalent }) => !isEquivalent)) process.exitCode = 1;
