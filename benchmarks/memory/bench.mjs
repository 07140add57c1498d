#!/usr/bin/env node
/**
 * A thousand forward passes of the demo model on every backend that runs here, in Node and in
 * Chromium: whether live tensors and memory are where they were.
 *
 *   npm run build && node benchmarks/memory/bench.mjs [--only wasm,gpujs] [--passes 1000]
 *
 * Results: benchmarks/results/memory.json, where what is not measured again stays. In Node the memory
 * is that of the process; in a browser that of the page's heap, without what the graphics process
 * holds. Exits with 1 where live tensors have grown.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openModel } from '@vq4dit/checkpoint';
import { demoModel } from '@vq4dit/demo-model';
import { BACKENDS, Missing, openRunners } from '../everywhere/runners.mjs';

const { values: flags } = parseArgs({
  options: { only: { type: 'string' }, passes: { type: 'string', default: '1000' } },
});
const passes = Number(flags.passes);
const out = new URL('../results/memory.json', import.meta.url).pathname;
const report = existsSync(out) ? JSON.parse(readFileSync(out, 'utf8')) : { rows: [] };
report.benchmark = 'memory';
report.machine = { cpu: os.cpus()[0].model, cores: os.cpus().length, node: process.version };

const model = await openModel(fileURLToPath(demoModel.checkpoint));
const tensors = {};
for (const name of model.names()) {
  tensors[name] = { shape: model.entry(name).shape, data: await model.readFloat32(name) };
}
await model.close();
const problem = { config: model.config, tensors };

const runners = openRunners();
try {
  for (const id of BACKENDS) {
    if (flags.only && !flags.only.split(',').includes(id)) continue;
    const row = await measure(id);
    if (!row) continue;
    report.rows = [...report.rows.filter(({ backend }) => backend !== id), row];
    writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);
    const { before, after } = row;
    console.log(
      `${id.padEnd(14)} live ${before.liveBuffers} -> ${after.liveBuffers}, ${before.megabytes} -> ${after.megabytes} MiB, ${row.seconds} s`,
    );
    if (after.liveBuffers !== before.liveBuffers || row.leftBuffers !== 0) process.exitCode = 1;
  }
} finally {
  await runners.close();
}

async function measure(id) {
  const started = performance.now();
  try {
    const measured = await runners.run(id, 'memory/work.mjs', 'forwardPasses', problem, passes);
    const seconds = Math.round((performance.now() - started) / 1000);
    return { backend: id, date: new Date().toISOString(), seconds, ...measured };
  } catch (error) {
    if (!(error instanceof Missing)) throw error;
    console.error(`${id}: not measured (${error.message.trim()})`);
    return undefined;
  }
}
