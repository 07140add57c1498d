import { sizeOf } from '@vq4dit/core';
import { expectedTensors, positionEmbedding } from '@vq4dit/dit';
import { factors, fillFrom, generator, quantileTable } from './random.mjs';

/**
 * The tensors of a DiT with random weights whose statistics look like a trained model's.
 *
 * What is known in public of trained DiTs, and taken over here:
 * - Weights are "Gaussian-like with long tails" (LRQ-DiT, arXiv 2508.03485).
 * - Their size differs much between input channels, more than between output channels (Q-DiT, arXiv
 *   2406.17343), and a few channels are far larger than the rest (PTQ4DiT, arXiv 2405.16005).
 * - Linear layers start at Xavier's deviation, sqrt(2 / (in + out)), and stay near it; modulation
 *   layers start at zero (Peebles & Xie 2022) and stay small, with rows of very different size: in
 *   the demo model of this project, which was trained for a short time only, the logarithm of their
 *   rows' deviations has a deviation of 0.7, and their kurtosis is 5 to 13.
 *
 * How much of it is a guess: nobody has published the numbers below. They give kurtoses from 6 to 20
 * and residual streams that stay finite. The model predicts a noise near its input, as a trained one
 * does at high noise, so that sampling stays bounded; its images mean nothing.
 */
export function syntheticTensors(config, seed) {
  return [...expectedTensors(config)].map(([name, shape]) => ({
    name,
    dtype: 'F32',
    shape: [...shape],
    data: () => bytesOf(syntheticTensor(config, name, shape, seed)),
  }));
}

/** Deviation of the rows of a block's layers against each other, of their columns, and outliers. */
const LINEAR = {
  tails: 0.06,
  rows: { spread: 0.15 },
  columns: { spread: 0.25, outliers: 0.004, strength: 3 },
};
const MODULATION = { tails: 0.03, rows: { spread: 0.6 }, columns: { spread: 0.2 } };
const PLAIN = { tails: 0, rows: { spread: 0.2 }, columns: { spread: 0.1 } };

/** The later a block, the larger its weights: from 0.85 to 1.25 of Xavier's deviation. */
const depthTrend = (block, depth) => 0.85 + (0.4 * block) / Math.max(1, depth - 1);

function syntheticTensor(config, name, shape, seed) {
  if (name === 'pos_embed') return positionEmbedding(config);
  const width = config.hiddenSize;
  const [, block] = /^blocks\.(\d+)\./.exec(name) ?? [];
  if (name.endsWith('.bias')) return bias(name, shape, seed);
  if (name === 'x_embedder.proj.weight') {
    // A patch of unit numbers becomes a token of unit numbers.
    return matrix(name, shape, seed, PLAIN, 1 / Math.sqrt(sizeOf(shape.slice(1))));
  }
  if (name === 'y_embedder.embedding_table.weight') return matrix(name, shape, seed, PLAIN, 0.4);
  if (name.startsWith('t_embedder.')) {
    return matrix(name, shape, seed, PLAIN, 1 / Math.sqrt(shape[1]));
  }
  if (name === 'final_layer.linear.weight') return outputLayer(config, shape, seed);
  if (name.includes('adaLN_modulation')) {
    // SiLU leaves about half of the conditioning: shifts, scales and gates move by about 0.1.
    return matrix(name, shape, seed, MODULATION, 0.2 / Math.sqrt(width));
  }
  const xavier = Math.sqrt(2 / (shape[0] + shape[1]));
  const deviation = xavier * depthTrend(Number(block), config.depth);
  return matrix(name, shape, seed, LINEAR, deviation);
}

const tables = new Map();

function matrix(name, shape, seed, { tails, rows, columns }, deviation) {
  if (!tables.has(tails)) tables.set(tails, quantileTable(tails));
  const random = generator(seed, name);
  const values = fillFrom(tables.get(tails), random, new Float32Array(sizeOf(shape)));
  const [count, length] = [shape[0], sizeOf(shape.slice(1))];
  const rowFactors = factors(random.stream.derive('rows'), count, rows);
  const columnFactors = factors(random.stream.derive('columns'), length, columns);
  for (let row = 0; row < count; row++) {
    const scale = deviation * rowFactors[row];
    const start = row * length;
    for (let i = 0; i < length; i++) values[start + i] *= scale * columnFactors[i];
  }
  return values;
}

/** Around zero; those of the modulation are the usual shifts, scales and gates, which are small. */
function bias(name, shape, seed) {
  const random = generator(seed, name);
  const values = fillFrom(quantileTable(0.06), random, new Float32Array(sizeOf(shape)));
  const deviation = /^blocks.*adaLN/.test(name) ? 0.35 : 0.02;
  return values.map((value) => deviation * value);
}

/**
 * Reads the patch back out of a token: the transposed patch embedding, whose rows are nearly
 * orthogonal, for the noise; little for the variance.
 */
function outputLayer(config, shape, seed) {
  const { inChannels, patchSize: p, hiddenSize: width } = config;
  const name = 'x_embedder.proj.weight';
  const embedding = syntheticTensor(config, name, [width, inChannels, p, p], seed);
  const values = matrix('final_layer.linear.weight', shape, seed, PLAIN, 0.1 / Math.sqrt(width));
  const patch = inChannels * p * p;
  const outputs = shape[0] / (p * p);
  for (let row = 0; row < shape[0]; row++) {
    const [pixel, channel] = [Math.floor(row / outputs), row % outputs];
    if (channel >= inChannels) continue;
    const column = channel * p * p + pixel;
    let power = 0;
    for (let i = 0; i < width; i++) power += embedding[i * patch + column] ** 2;
    // The normalized token holds the patch beside what the blocks added, about as much again.
    for (let i = 0; i < width; i++) {
      values[row * width + i] += (1.5 * embedding[i * patch + column]) / power;
    }
  }
  return values;
}

function bytesOf(values) {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
