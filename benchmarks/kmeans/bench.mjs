// Times k-means on one layer of DiT-XL/2 (fc1, 4608 x 1152) against brute force in PyTorch and
// against scikit-learn, at equal distortion.
//   npm run build -w @vq4dit/core && node benchmarks/kmeans/bench.mjs [out.json]
// Needs a Python with torch and scikit-learn: PYTHON=/usr/bin/python3 by default.
// ROUNDS (3) rounds over all methods, ITERATIONS (25) Lloyd updates. Everybody starts from the same
// k-means++ seeds. `core` makes the same updates as the peers; `core, whole run` also makes the seeds
// and stops at the first iteration that reaches that distortion. `torch-one-hot`, the update of the
// published code, is too slow for that: it makes 3 updates, in the first round only. Distortions are
// all computed by one exact search. `cpu` is processor time over all threads, which does not count what others run.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { kmeans, nearestCodewords, RandomStream } from '@vq4dit/core';

const ROWS = 4608;
const COLUMNS = 1152;
const d = 4;
const k = 256;
const rounds = Number(process.env.ROUNDS ?? 3);
const iterations = Number(process.env.ITERATIONS ?? 25);
const python = process.env.PYTHON ?? '/usr/bin/python3';
const peerScript = new URL('./peers.py', import.meta.url).pathname;
const out = process.argv[2] ?? new URL('../results/kmeans.json', import.meta.url).pathname;

/** Weights like a trained layer's: rows of different scale, one of 500 weights five times as large. */
function makeWeights() {
  const random = new RandomStream(20240817, 'benchmark weights');
  const weights = random.fillNormal(new Float32Array(ROWS * COLUMNS));
  for (let row = 0; row < ROWS; row++) {
    const scale = 0.02 * Math.exp(0.4 * random.normal());
    for (let column = 0; column < COLUMNS; column++) {
      weights[row * COLUMNS + column] *= scale * (random.uniform() < 0.002 ? 5 : 1);
    }
  }
  return weights;
}

process.env.OMP_NUM_THREADS ??= String(os.cpus().length);
const data = makeWeights();

function distortionOf(codebook) {
  const { distances } = nearestCodewords(data, codebook, d);
  return distances.reduce((sum, value) => sum + value, 0) / data.length;
}

async function timed(run) {
  const cpu = process.cpuUsage();
  const start = performance.now();
  const result = await run();
  const wall = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  return { wall, cpu: (used.user + used.system) / 1e6, codebook: result.codebook };
}

function runPeer(method, folder, updates = iterations) {
  const args = [peerScript, method, `${folder}/weights`, `${folder}/seeds`, d, k, updates];
  const { status, stdout, stderr } = spawnSync(python, args.map(String), {
    encoding: 'utf8',
  });
  if (status !== 0) throw new Error(`${method} failed:\n${stderr}`);
  const result = JSON.parse(stdout);
  const bytes = readFileSync(result.codebook);
  return { ...result, codebook: new Float32Array(new Uint8Array(bytes).buffer) };
}

const folder = mkdtempSync(path.join(os.tmpdir(), 'kmeans-benchmark-'));
try {
  const seeding = { data, dimension: d, k, random: 1 };
  const { codebook: seeds } = await kmeans({ ...seeding, maxIterations: 0 });
  writeFileSync(`${folder}/weights`, data);
  writeFileSync(`${folder}/seeds`, seeds);
  const same = { data, dimension: d, k, codebook: seeds, maxIterations: iterations, tolerance: 0 };

  const reference = await kmeans(same);
  const trace = [];
  await kmeans({
    ...seeding,
    maxIterations: iterations,
    tolerance: 0,
    onProgress: (progress) => trace.push(progress.distortion),
  });
  const enough = trace.findIndex((value, i) => i > 0 && value <= reference.distortion);
  if (enough < 0) throw new Error('The whole run does not reach the distortion of the peers.');
  const updates = { 'core, whole run': enough, 'torch-one-hot': Math.min(3, iterations) };

  const methods = {
    core: () => timed(() => kmeans(same)),
    'core, whole run': () =>
      timed(() => kmeans({ ...seeding, maxIterations: enough, tolerance: 0 })),
    torch: () => runPeer('torch', folder),
    'torch-one-hot': () => runPeer('torch-one-hot', folder, updates['torch-one-hot']),
    'sklearn-lloyd': () => runPeer('sklearn-lloyd', folder),
    'sklearn-elkan': () => runPeer('sklearn-elkan', folder),
  };
  const runs = Object.fromEntries(Object.keys(methods).map((name) => [name, []]));
  for (let round = 0; round < rounds; round++) {
    for (const [name, run] of Object.entries(methods)) {
      if (name === 'torch-one-hot' && round > 0) continue;
      const load = os.loadavg()[0];
      const { codebook, ...result } = await run();
      runs[name].push({ ...result, load, distortion: distortionOf(codebook) });
      const { wall, cpu } = result;
      console.error(`round ${round + 1}  ${name}  ${wall.toFixed(2)} s, cpu ${cpu.toFixed(2)} s`);
    }
  }

  const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];
  const summary = Object.entries(runs).map(([method, list]) => ({
    method,
    updates: updates[method] ?? iterations,
    wall: median(list.map((run) => run.wall)),
    cpu: median(list.map((run) => run.cpu)),
    distortion: median(list.map((run) => run.distortion)),
  }));
  const report = {
    benchmark: 'kmeans',
    layer: { rows: ROWS, columns: COLUMNS, d, k, subvectors: data.length / d },
    date: new Date().toISOString(),
    machine: {
      cpu: os.cpus()[0].model,
      cores: os.cpus().length,
      memoryGiB: Math.round(os.totalmem() / 2 ** 30),
      loadAverage: os.loadavg(),
      node: process.version,
      ...JSON.parse(execFileSync(python, [peerScript, 'versions'], { encoding: 'utf8' })),
    },
    rounds,
    summary,
    runs,
  };
  writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);

  console.log('method            updates   wall s    cpu s  cpu s / update   distortion');
  for (const row of summary) {
    console.log(
      row.method.padEnd(16),
      String(row.updates).padStart(8),
      row.wall.toFixed(2).padStart(8),
      row.cpu.toFixed(2).padStart(8),
      (row.cpu / row.updates).toFixed(3).padStart(15),
      row.distortion.toExponential(5).padStart(12),
    );
  }
  console.log(JSON.stringify(report.machine));
} finally {
  rmSync(folder, { recursive: true, force: true });
}
