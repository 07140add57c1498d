// Times k-means on one layer of DiT-XL/2 (fc1, 4608 x 1152) against brute force in PyTorch and
// against scikit-learn, at equal distortion.
//   npm run build && node benchmarks/kmeans/bench.mjs [out.json]
// Needs a Python with torch and scikit-learn: PYTHON=/usr/bin/python3 by default.
// ROUNDS (3) rounds over all methods, ITERATIONS (25) Lloyd updates. Everybody starts from the same
// k-means++ seeds. `wasm` and `host` are k-means as `quantize` runs it, whose search is pruned, on the
// WebAssembly backend and without one; both make the same updates as the peers. `whole run` also makes
// the seeds and stops at the first iteration that reaches that distortion. `brute force` compares every
// sub-vector with every codeword, on the WebAssembly backend (`lloydStep`). `to the end` goes on from the
// seeds until the distortion settles as in `quantize`, and by brute force as many updates.
// `torch-one-hot`, the update of the published code, is too slow for all updates: it makes 3, in the first
// round only. Distortions are all computed by one exact search. `cpu` is processor time over all threads, which does not count what others run.

import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRegistry } from '@vq4dit/cli';
import { kmeans, lloydStep, nearestCodewords, RandomStream, TensorOps } from '@vq4dit/core';
import { machine, pythonEnvironment } from '../machine.mjs';

const ROWS = 4608;
const COLUMNS = 1152;
const d = 4;
const k = 256;
const rounds = Number(process.env.ROUNDS ?? 3);
const iterations = Number(process.env.ITERATIONS ?? 25);
const python = process.env.PYTHON ?? '/usr/bin/python3';
const peerScript = new URL('./peers.py', import.meta.url).pathname;
const major = process.versions.node.split('.')[0];
const out =
  process.argv[2] ?? new URL(`../results/kmeans-node${major}.json`, import.meta.url).pathname;

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
const backend = await createRegistry().init('wasm');
const ops = new TensorOps(backend);
const { kmeans: accelerator } = backend;

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

/** So many updates from a codebook [k, d], every distance computed. */
async function bruteForce(seeds, updates) {
  let codebook = seeds;
  const x = ops.tensor(data, [data.length / d, d]);
  for (let update = 0; update < updates; update++) {
    const { sums, counts } = await ops.scope(async (s) => {
      const step = lloydStep(s, x, s.tensor(codebook, [k, d])); // sums [k, d], counts [k]
      return { sums: await s.read(step.sums), counts: await s.read(step.counts) };
    });
    codebook = codebook.map((old, i) => {
      const count = counts[Math.floor(i / d)];
      return count > 0 ? sums[i] / count : old;
    });
  }
  x.dispose();
  return { codebook };
}

function runPeer(method, folder, updates = iterations) {
  const args = [peerScript, method, `${folder}/weights`, `${folder}/seeds`, d, k, updates];
  const { status, stdout, stderr } = spawnSync(python, args.map(String), {
    encoding: 'utf8',
    env: pythonEnvironment(),
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
  const settled = await kmeans({ ...same, maxIterations: 100, tolerance: 1e-4, accelerator });
  const updates = {
    'wasm, whole run': enough,
    'host, whole run': enough,
    'wasm, to the end': settled.iterations,
    'brute force, to the end': settled.iterations,
    'torch-one-hot': Math.min(3, iterations),
  };

  const methods = {
    wasm: () => timed(() => kmeans({ ...same, accelerator })),
    'wasm, whole run': () =>
      timed(() => kmeans({ ...seeding, maxIterations: enough, tolerance: 0, accelerator })),
    'wasm, to the end': () =>
      timed(() => kmeans({ ...same, maxIterations: 100, tolerance: 1e-4, accelerator })),
    'brute force': () => timed(() => bruteForce(seeds, iterations)),
    'brute force, to the end': () => timed(() => bruteForce(seeds, settled.iterations)),
    host: () => timed(() => kmeans(same)),
    'host, whole run': () =>
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
      ...machine(),
      backend: backend.info().device,
      ...JSON.parse(execFileSync(python, [peerScript, 'versions'], { encoding: 'utf8' })),
    },
    rounds,
    summary,
    runs,
  };
  writeFileSync(out, `${JSON.stringify(report, null, 2)}\n`);

  console.log('method                  updates   wall s    cpu s  ms / update   distortion');
  for (const row of summary) {
    console.log(
      row.method.padEnd(23),
      String(row.updates).padStart(8),
      row.wall.toFixed(2).padStart(8),
      row.cpu.toFixed(2).padStart(8),
      ((1000 * row.wall) / row.updates).toFixed(0).padStart(12),
      row.distortion.toExponential(5).padStart(12),
    );
  }
  console.log(JSON.stringify(report.machine));
} finally {
  await backend.close();
  rmSync(folder, { recursive: true, force: true });
}
