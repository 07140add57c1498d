#!/usr/bin/env node
/**
 * Time and peak memory of `vq4dit quantize --method vq` on checkpoints of true DiT shapes with random
 * weights, from disk to artefact.
 *
 *   npm run build && node benchmarks/full-size/bench.mjs [--presets DiT-S/2,DiT-XL/2] [--folder dir]
 *
 * DiT-XL/2 needs 2.7 GB of disk for the checkpoint. A run that is stopped goes on where it was; then
 * its figures are those of the last part and the row says so. Results: benchmarks/results/full-size-node<major>.json.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { cpus, loadavg, tmpdir, totalmem } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const root = fileURLToPath(new URL('../..', import.meta.url));
const major = process.versions.node.split('.')[0];
const results = join(root, `benchmarks/results/full-size-node${major}.json`);
const { values } = parseArgs({
  options: {
    presets: { type: 'string', default: 'DiT-S/2,DiT-B/2' },
    folder: { type: 'string', default: join(tmpdir(), 'vq4dit-bench-full-size') },
  },
});
mkdirSync(values.folder, { recursive: true });

const report = existsSync(results) ? JSON.parse(readFileSync(results, 'utf8')) : { rows: [] };
report.machine = {
  cpu: cpus()[0].model,
  cores: cpus().length,
  memoryBytes: totalmem(),
  node: process.version,
};
for (const preset of values.presets.split(',')) {
  const row = measure(preset);
  report.rows = [...report.rows.filter((other) => other.preset !== preset), row];
  report.rows.sort((a, b) => a.checkpointBytes - b.checkpointBytes);
  writeFileSync(results, `${JSON.stringify(report, null, 2)}\n`);
}
console.table(
  report.rows.map((row) => ({
    preset: row.preset,
    'checkpoint MiB': (row.checkpointBytes / 2 ** 20).toFixed(0),
    'artefact MiB': (row.artefactBytes / 2 ** 20).toFixed(1),
    'bits/weight': row.bitsPerWeight.toFixed(4),
    'seconds (k-means)': `${row.wallSeconds.toFixed(0)} (${row.kmeansSeconds.toFixed(0)})`,
    'cpu seconds': row.cpuSeconds.toFixed(0),
    'peak RSS MiB': (row.peakRssBytes / 2 ** 20).toFixed(0),
  })),
);

function measure(preset) {
  const name = preset.replace('/', '-');
  const checkpoint = join(values.folder, `${name}.safetensors`);
  if (!existsSync(checkpoint)) run(['tools/make-synthetic-dit.mjs', preset, checkpoint]);
  const out = join(values.folder, `${name}-vq`);
  const resumed = existsSync(`${out}.work`);
  const usageFile = join(values.folder, `${name}.usage.json`);
  const started = performance.now();
  const stdout = run(
    [
      '--import',
      new URL('./report-usage.mjs', import.meta.url).href,
      'packages/cli/bin/vq4dit.js',
      ...['quantize', checkpoint, out, '--method', 'vq', '--json'],
    ],
    { USAGE_FILE: usageFile },
  );
  const wallSeconds = (performance.now() - started) / 1000;
  const { bitsPerWeight, bytes, seconds } = JSON.parse(stdout);
  return {
    preset,
    command: `vq4dit quantize ${name}.safetensors out --method vq`,
    checkpointBytes: statSync(checkpoint).size,
    artefactBytes: bytes,
    bitsPerWeight,
    wallSeconds,
    kmeansSeconds: seconds.vq,
    ...JSON.parse(readFileSync(usageFile, 'utf8')),
    resumed,
    loadAverage: loadavg()[0],
  };
}

function run(args, env = {}) {
  const done = spawnSync(process.execPath, args, {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'inherit'],
    maxBuffer: 1 << 28,
  });
  if (done.status !== 0) throw new Error(`${args.join(' ')} ended with ${done.status}`);
  return done.stdout.toString();
}
