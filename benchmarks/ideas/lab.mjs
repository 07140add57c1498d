import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { openModel } from '@vq4dit/checkpoint';
import { createRegistry, DEFAULT_SETTINGS, planLayers, RECIPES } from '@vq4dit/cli';
import {
  calibrate,
  collectGrams,
  layerOutputError,
  RATES,
  replaceWeights,
  TensorOps,
  VectorQuantizer,
  weightError,
} from '@vq4dit/core';
import { demoModel } from '@vq4dit/demo-model';
import { DiTWeights, ditBlockStack, zeroDataSource } from '@vq4dit/dit';
import { trajectoryError } from '@vq4dit/evaluation';
import { machine } from '../machine.mjs';

/** The demo model and what experiments share: matrices, k-means, statistics of inputs. */
export async function openLab({
  seed = 0,
  bits = 2,
  statistics = RECIPES.best.statisticsTrajectories,
} = {}) {
  const settings = { ...DEFAULT_SETTINGS, ...RATES[bits], seed };
  const backend = await createRegistry().init('wasm');
  const ops = new TensorOps(backend);
  const model = await openModel(fileURLToPath(demoModel.checkpoint));
  const weights = await DiTWeights.load(ops, model.config, model);
  const stack = ditBlockStack(weights);
  // As `vq4dit quantize` walks them where nothing is said.
  const source = zeroDataSource(weights, { ...settings.budget, seed });
  const quantizer = new VectorQuantizer({ ...settings, accelerator: backend.kmeans });
  const matrices = [];
  const kmeans = new Map();
  for (const plan of planLayers(model.config, settings)) {
    const data = await model.readFloat32(`${plan.name}.weight`);
    const bias = await model.readFloat32(`${plan.name}.bias`);
    const matrix = { ...plan, data, bias };
    matrices.push(matrix);
    kmeans.set(plan.name, await quantizer.quantize(matrix));
  }
  const grams = await collectGrams(ops, { stack, source, trajectories: statistics });
  return { ops, backend, model, weights, stack, source, matrices, grams, kmeans, seed };
}

/** E |(W - W^) x|^2 / E |W x|^2. */
export function relativeError(matrix, approximation, gram) {
  const all = layerOutputError(matrix, new Float32Array(matrix.data.length), gram);
  return layerOutputError(matrix, approximation, gram) / all;
}

/** Layers whose assignments are those of their quantization; biases of their own where given. */
export function hardStart({ matrices }, quantized, biases) {
  return new Map(
    matrices.map((matrix) => {
      const { name } = matrix;
      const bias = biases?.get(name) ?? matrix.bias;
      const weight = quantized.get(name);
      const candidates = Int32Array.from(weight.codes);
      const logits = new Float32Array(candidates.length);
      return [name, { weight, candidates, logits, bias, error: weightError(matrix, weight) }];
    }),
  );
}

/** Trains codebooks and biases from hard assignments, along trajectories from number `first` on. */
export function train({ ops, stack, source }, layers, { trajectories, first = 0, ...options }) {
  const later = {
    ...source,
    trajectory: (o, index, watcher) => source.trajectory(o, first + index, watcher),
  };
  return calibrate(ops, {
    ...{ stack, source: later, layers, trajectories },
    options: { ...RECIPES['output-error'], candidates: 1, ...options },
  });
}

/** Block and noise MSE along trajectories that no calibration has seen, as `verify --blocks` has them. */
export function measure({ ops, weights, model }, calibrated) {
  return ops.scope(async (s) => {
    const changed = new Map();
    for (const [name, { weight, bias }] of calibrated) {
      const { rows, columns } = weight;
      changed.set(`${name}.weight`, s.tensor(weight.reconstruct(), [rows, columns]));
      changed.set(`${name}.bias`, s.tensor(bias, [bias.length]));
    }
    const student = { config: model.config, lookup: replaceWeights(weights.lookup, changed) };
    const labels = Array.from({ length: 10 }, (_, i) => i);
    const options = { labels, steps: 20, repeats: 4, seed: 12345 };
    const { block, eps } = await trajectoryError(ops, weights, student, options);
    return { block, eps };
  });
}

/** Writes benchmarks/results/<name>.json with the machine. */
export function writeResults(name, content) {
  const file = new URL(`../results/${name}.json`, import.meta.url);
  writeFileSync(file, `${JSON.stringify({ machine: machine(), ...content }, null, 2)}\n`);
}
