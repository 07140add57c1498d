#!/usr/bin/env node
/**
 * Ideas that change what is quantized, judged by the error of layers' outputs alone, on every layer of
 * one block of the demo model at 2 bits:
 *
 *   npm run build && node benchmarks/ideas/layers.mjs [--block 2] [--seed 0]
 *
 * Each is given k-means and then the rounds of refinement of `--recipe best`. The error is relative,
 * E |(W - W^) x|^2 / E |W x|^2 along zero-data trajectories. Results: benchmarks/results/ideas-layers.json
 */
import { parseArgs } from 'node:util';
import {
  BEST_RECIPE,
  clampCodewords,
  quantizedLayerSize,
  refineByOutputError,
  VectorQuantizer,
} from '@vq4dit/core';
import { openLab, relativeError, writeResults } from './lab.mjs';
import { rotate, scaleColumns, scaleRows } from './transforms.mjs';

const { values: flags } = parseArgs({
  options: { block: { type: 'string', default: '2' }, seed: { type: 'string', default: '0' } },
});
const lab = await openLab({ seed: Number(flags.seed) });

/** What a matrix and its Gram matrix become; `back` undoes it, `bits` is what it costs a layer. */
const plain = (matrix, gram) => ({ matrix, gram, back: (weights) => weights, bits: 0 });
const IDEAS = [
  { name: 'as it is', k: 256, transform: plain },
  { name: 'columns scaled by their inputs', k: 256, transform: scaleColumns(1) },
  { name: 'columns scaled by the root of their inputs', k: 256, transform: scaleColumns(0.5) },
  { name: 'rows scaled to one size', k: 256, transform: scaleRows },
  { name: 'inputs rotated at random', k: 256, transform: rotate },
  { name: 'q, k and v share a codebook', k: 256, groups: 1, transform: plain },
  { name: 'q, k and v share a codebook of twice the size', k: 512, groups: 1, transform: plain },
];

/** K-means of a matrix and the refinement of it, and its size. */
async function quantize(matrix, gram, codewords) {
  const quantizer = new VectorQuantizer({
    ...{ codewords, subvector: 4, seed: lab.seed, accelerator: lab.backend.kmeans },
  });
  const kmeans = await quantizer.quantize(matrix);
  const refined = await refineByOutputError(lab.ops, {
    ...{ weight: matrix, quantized: kmeans, gram },
    ...{ candidates: BEST_RECIPE.candidates, rounds: BEST_RECIPE.refinements },
  });
  const k = clampCodewords(codewords, kmeans.subvectorsPerGroup);
  return { kmeans, refined, size: quantizedLayerSize({ ...matrix, k, d: 4, codebookBytes: 2 }) };
}

/** Two codebooks of 16: the second quantizes what the first leaves. 8 bits for 4 weights, as with one of 256. */
async function residual(matrix, gram) {
  const sum = new Float32Array(matrix.data.length);
  let bits = 0;
  for (let stage = 0; stage < 2; stage++) {
    const left = { ...matrix, data: matrix.data.map((w, i) => w - sum[i]) };
    const { refined, size } = await quantize(left, gram, 16);
    refined.reconstruct().forEach((w, i) => {
      sum[i] += w;
    });
    bits += size.bitsPerWeight;
  }
  return { bits, sum };
}

const rows = [];
function report(row) {
  rows.push(row);
  console.log(
    `${row.layer.padEnd(28)} ${row.idea.padEnd(52)} ${row.bitsPerWeight.toFixed(3)} bits  refined ${row.refined.toExponential(2)}`,
  );
}
for (const original of lab.matrices.filter(({ name }) =>
  name.startsWith(`blocks.${flags.block}.`),
)) {
  const gram = lab.grams.get(original.name);
  for (const { name, k: codewords, groups, transform } of IDEAS) {
    if (groups !== undefined && original.groups === 1) continue;
    const matrix = { ...original, groups: groups ?? original.groups };
    const moved = transform(matrix, gram);
    const { kmeans, refined, size } = await quantize(moved.matrix, moved.gram, codewords);
    const error = (weight) => relativeError(original, moved.back(weight.reconstruct()), gram);
    const row = {
      ...{ layer: original.name, idea: name },
      bitsPerWeight: size.bitsPerWeight + moved.bits / size.weights,
      ...{ kmeans: error(kmeans), refined: error(refined) },
    };
    report(row);
  }
  const { bits, sum } = await residual(original, gram);
  report({
    ...{ layer: original.name, idea: 'two codebooks of 16, one for the rest of the other' },
    ...{ bitsPerWeight: bits, refined: relativeError(original, sum, gram) },
  });
}
writeResults('ideas-layers', {
  command: `node benchmarks/ideas/layers.mjs --block ${flags.block} --seed ${flags.seed}`,
  rows,
});
process.exit(0);
