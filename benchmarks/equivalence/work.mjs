/**
 * What every backend is asked for, in Node and in browsers alike: only packages that run in both.
 */
import {
  calibrate,
  collectGrams,
  OUTPUT_ERROR_RECIPE,
  RandomStream,
  startLayer,
  TensorOps,
  VqWeight,
} from '@vq4dit/core';
import { DiTWeights, ditBlockStack, sample, streamNoise, zeroDataSource } from '@vq4dit/dit';

/**
 * The nearest codeword of every sub-vector by the backend's own kernel, and the calibration of the
 * demo model that starts from these codebooks.
 *
 * @param problem see problem.mjs
 * @returns plain data: an artefact for each layer, and the block error before every step
 */
export async function quantize(backend, problem, onProgress = () => {}) {
  const ops = new TensorOps(backend);
  const nearest = {};
  for (const layer of problem.layers) nearest[layer.name] = await nearestCodes(ops, problem, layer);
  const { config, settings } = problem;
  const model = await DiTWeights.load(ops, config, sourceOf(problem));
  try {
    const names = problem.layers.map(({ name }) => name);
    const stack = ditBlockStack(model, new Set(names));
    const source = zeroDataSource(model, settings.budget);
    const { statisticsTrajectories: trajectories } = settings;
    const grams = await collectGrams(ops, { stack, source, trajectories });
    const layers = new Map();
    for (const parts of problem.layers) {
      const { name } = parts;
      const options = { ...OUTPUT_ERROR_RECIPE, gram: grams.get(name) };
      const { data: bias } = problem.tensors[`${name}.bias`];
      const start = await startLayer(matrix(problem, parts), new VqWeight(parts), bias, options);
      layers.set(name, start);
    }
    const losses = [];
    const weights = await calibrate(ops, {
      ...{
        stack,
        source,
        layers,
        trajectories: settings.trajectories,
        options: OUTPUT_ERROR_RECIPE,
      },
      onProgress({ blockError, step, steps }) {
        losses.push(blockError);
        onProgress(step, steps);
      },
    });
    const artefact = [...weights].map(([name, { weight, bias }]) => {
      const { rows, columns, groups, k, d, codebook, codes } = weight;
      return { name, rows, columns, groups, k, d, codebook, codes, bias };
    });
    return { device: backend.info().device, nearest, losses, artefact };
  } finally {
    model.dispose();
  }
}

/** Images of quantized models, from the noise of one seed. -> for each artefact [N, C, H, W] */
export async function draw(backend, problem, artefacts, onProgress = () => {}) {
  const ops = new TensorOps(backend);
  const { seed, labels, steps } = problem.settings.draw;
  const images = [];
  for (const artefact of artefacts) {
    const model = await DiTWeights.load(ops, problem.config, sourceOf(problem, artefact));
    const noise = streamNoise(new RandomStream(seed, 'equivalence'));
    const { x } = await sample(ops, model, { labels, noise, steps, method: 'ddim' });
    model.dispose();
    images.push(x);
    onProgress(images.length, artefacts.length);
  }
  return images;
}

async function nearestCodes(ops, problem, { name, rows, columns, groups, k, d, codebook }) {
  const { data } = problem.tensors[`${name}.weight`];
  const count = (rows * columns) / d / groups;
  const codes = new Int32Array(groups * count);
  for (let group = 0; group < groups; group++) {
    const values = await ops.scope(async (s) => {
      const x = s.tensor(data.subarray(group * count * d, (group + 1) * count * d), [count, d]);
      const words = s.tensor(codebook.subarray(group * k * d, (group + 1) * k * d), [k, d]);
      return s.readIndices(s.nearest(x, words, 1).indices);
    });
    codes.set(values, group * count);
  }
  return codes;
}

const matrix = (problem, { name, rows, columns, groups }) => {
  const { data } = problem.tensors[`${name}.weight`];
  return { name, rows, columns, groups, data };
};

/** The weights of the problem, some of them in place of an artefact's. */
function sourceOf({ tensors }, artefact = []) {
  const replaced = new Map();
  for (const layer of artefact) {
    replaced.set(`${layer.name}.weight`, () => new VqWeight(layer).reconstruct());
    replaced.set(`${layer.name}.bias`, () => layer.bias);
  }
  return {
    names: () => Object.keys(tensors),
    entry: (name) => ({ shape: tensors[name].shape }),
    readFloat32: async (name) => replaced.get(name)?.() ?? tensors[name].data,
  };
}
