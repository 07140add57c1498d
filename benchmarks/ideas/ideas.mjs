import { RECIPES } from '@vq4dit/cli';
import {
  collectGrams,
  nearestCodewords,
  refineByOutputError,
  startLayer,
  VqWeight,
} from '@vq4dit/core';
import { hardStart } from './lab.mjs';

const { candidates: CANDIDATES, refinements: ROUNDS } = RECIPES.best;

/** Quantizes every layer anew: `change(matrix, k-means, gram, lab)`. */
async function eachLayer(lab, change) {
  const changed = new Map();
  for (const matrix of lab.matrices) {
    const [kmeans, gram] = [lab.kmeans.get(matrix.name), lab.grams.get(matrix.name)];
    changed.set(matrix.name, await change(matrix, kmeans, gram, lab));
  }
  return changed;
}

const refine =
  (options = {}) =>
  (weight, quantized, gram, { ops }) =>
    refineByOutputError(ops, {
      ...{ weight, quantized, gram, candidates: CANDIDATES, rounds: ROUNDS, ...options },
    });

/** Assignments by output error for the codebooks of k-means. */
async function chooseAssignments(matrix, kmeans, gram) {
  const options = { candidates: CANDIDATES, ratioStart: 'output-error', gram };
  const { candidates, logits } = await startLayer(matrix, kmeans, matrix.bias, options);
  const codes = kmeans.codes.map((_, i) => {
    const own = logits.subarray(i * CANDIDATES, (i + 1) * CANDIDATES);
    return candidates[i * CANDIDATES + own.indexOf(Math.max(...own))];
  });
  return new VqWeight({ ...kmeans, codes });
}

/** Lloyd's iterations from k-means on, with means weighted by how strong a sub-vector's inputs are. */
function weighKMeans(matrix, kmeans, gram) {
  const { columns, data } = matrix;
  const { groups, k, d, subvectorsPerGroup: count } = kmeans;
  const codebook = Float32Array.from(kmeans.codebook);
  const codes = Uint16Array.from(kmeans.codes);
  const energy = Float64Array.from({ length: columns / d }, (_, i) => {
    let sum = 0;
    for (let c = i * d; c < (i + 1) * d; c++) sum += gram[c * columns + c];
    return sum;
  });
  for (let group = 0; group < groups; group++) {
    const part = data.subarray(group * count * d, (group + 1) * count * d);
    const own = codebook.subarray(group * k * d, (group + 1) * k * d);
    for (let iteration = 0; iteration < 20; iteration++) {
      const { indices } = nearestCodewords(part, own, d);
      codes.set(indices, group * count);
      const sums = new Float64Array(k * d);
      const totals = new Float64Array(k);
      for (let i = 0; i < count; i++) {
        const weight = energy[i % energy.length];
        totals[indices[i]] += weight;
        for (let c = 0; c < d; c++) sums[indices[i] * d + c] += weight * part[i * d + c];
      }
      for (let j = 0; j < k * d; j++) {
        const total = totals[Math.floor(j / d)];
        if (total > 0) own[j] = sums[j] / total;
      }
    }
  }
  return new VqWeight({ ...kmeans, codebook, codes });
}

/** Statistics of inputs over one half of every trajectory's steps, the other half counted `share` as much. */
function gramsOfHalf(which, share) {
  return async (lab) => {
    const half = (late) => {
      const count = lab.source.stepsPerTrajectory / 2;
      const from = late ? count : 0;
      return {
        stepsPerTrajectory: count,
        async *trajectory(ops, index, { observe, afterBlock }) {
          let i = 0; // steps that were walked
          const inHalf = () => i >= from && i < from + count;
          const watcher = {
            observe: (layer, input) => inHalf() && observe(layer, input),
            afterBlock: async () => inHalf() && (await afterBlock()),
          };
          for await (const step of lab.source.trajectory(ops, index, watcher)) {
            if (inHalf()) yield step;
            i++;
          }
        },
      };
    };
    const job = { stack: lab.stack, trajectories: RECIPES.best.statisticsTrajectories };
    const heavy = await collectGrams(lab.ops, { ...job, source: half(which === 'late') });
    const light = await collectGrams(lab.ops, { ...job, source: half(which !== 'late') });
    return new Map(
      [...heavy].map(([name, gram]) => [
        name,
        gram.map((value, i) => (value + share * light.get(name)[i]) / (1 + share)),
      ]),
    );
  };
}

/** New assignments in the middle of the training: chosen, with codebooks fitted, from the trained ones. */
const chooseAgain = async (lab, calibrated) => {
  const trained = {
    ...lab,
    kmeans: new Map([...calibrated].map(([name, { weight }]) => [name, weight])),
  };
  const chosen = await eachLayer(trained, refine({ rounds: 1 }));
  return hardStart(lab, chosen, new Map([...calibrated].map(([name, { bias }]) => [name, bias])));
};

const { learningRates } = RECIPES['output-error'];
const byError = (codebook) => ({
  codebookRateUnit: 'layer-error',
  learningRates: { ...learningRates, codebook, softCodebook: codebook },
});
const rate = (codebook) => ({
  learningRates: { ...learningRates, codebook, softCodebook: codebook, bias: codebook },
});

/** Each gives hard assignments and codebooks; all are then trained alike unless `options` says more. */
export const IDEAS = [
  { name: 'codebooks of k-means, nearest assignments', start: async (lab) => lab.kmeans },
  {
    name: 'assignments by output error (recipe output-error)',
    start: (lab) => eachLayer(lab, chooseAssignments),
  },
  {
    name: 'activation-weighted k-means, assignments by output error',
    start: (lab) =>
      eachLayer(lab, (matrix, kmeans, gram) =>
        chooseAssignments(matrix, weighKMeans(matrix, kmeans, gram), gram),
      ),
  },
  {
    name: 'one round of assignments and codebooks',
    start: (lab) => eachLayer(lab, refine({ rounds: 1 })),
  },
  { name: 'four rounds', start: (lab) => eachLayer(lab, refine()) },
  { name: 'eight rounds', start: (lab) => eachLayer(lab, refine({ rounds: 8 })) },
  {
    name: 'four rounds, two candidates',
    start: (lab) => eachLayer(lab, refine({ candidates: 2 })),
  },
  { name: 'four rounds, damping 0.001', start: (lab) => eachLayer(lab, refine({ damping: 1e-3 })) },
  {
    name: 'four rounds from activation-weighted k-means',
    start: (lab) =>
      eachLayer(lab, (matrix, kmeans, gram, own) =>
        refine()(matrix, weighKMeans(matrix, kmeans, gram), gram, own),
      ),
  },
  {
    name: 'four rounds, half the learning rate',
    start: (lab) => eachLayer(lab, refine()),
    options: rate(learningRates.codebook / 2),
  },
  {
    name: 'four rounds, twice the learning rate',
    start: (lab) => eachLayer(lab, refine()),
    options: rate(learningRates.codebook * 2),
  },
  {
    name: 'four rounds, blocks fed by the original in training',
    start: (lab) => eachLayer(lab, refine()),
    options: { blockInputs: 'floating-point' },
  },
  ...[0.05, 0.2].map((warmup) => ({
    name: `four rounds, rates warmed up over ${100 * warmup} % of the steps`,
    start: (lab) => eachLayer(lab, refine()),
    options: { warmup },
  })),
  ...[0.01, 0.02, 0.04, 0.08].map((codebook) => ({
    name: `four rounds, codebook rate ${codebook} of the layer's error${codebook === 0.02 ? ' (recipe best)' : ''}`,
    start: (lab) => eachLayer(lab, refine()),
    options: byError(codebook),
  })),
  {
    name: "four rounds, codebook rate 0.04 of the layer's error, warmed up over 5 %",
    start: (lab) => eachLayer(lab, refine()),
    options: { ...byError(0.04), warmup: 0.05 },
  },
  {
    name: 'four rounds, steps near the image count four times in the statistics',
    start: async (lab) =>
      eachLayer({ ...lab, grams: await gramsOfHalf('late', 0.25)(lab) }, refine()),
  },
  {
    name: 'four rounds, steps near the noise count four times in the statistics',
    start: async (lab) =>
      eachLayer({ ...lab, grams: await gramsOfHalf('early', 0.25)(lab) }, refine()),
  },
  {
    name: 'four rounds, assignments chosen again in the middle of the training',
    start: (lab) => eachLayer(lab, refine()),
    again: chooseAgain,
  },
];
