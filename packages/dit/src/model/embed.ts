import {
  type Activation,
  ArgumentError,
  linear,
  ShapeError,
  type Tensor,
  type TensorOps,
  type WeightLookup,
} from '@vq4dit/core';
import { type DiTConfig, hasNullLabel } from '../config/config.ts';
import { POSITION_EMBEDDING, TIMESTEP_FREQUENCIES } from '../config/tensors.ts';
import { patchify } from './patches.ts';

/** One number for each image of a batch; timesteps and labels stay on the host. */
export type HostVector = readonly number[] | Int32Array | Float32Array;

/**
 * What the first block is given.
 *
 * @param x noisy images [N, C, H, W]
 * @param t timesteps of the original, not the respaced, process (0 to 999), one per image
 * @param y labels, one per image; `config.numClasses` is the null label
 * @returns tokens [N, T, D] and conditioning [N, D]
 * @throws ShapeError where batch sizes or image shapes do not fit
 * @throws ArgumentError for a label that the model does not have
 */
export function embedTokens(
  ops: TensorOps,
  lookup: WeightLookup,
  config: DiTConfig,
  x: Tensor,
  t: HostVector,
  y: HostVector,
): { tokens: Tensor; conditioning: Tensor } {
  const [n, channels, height, width] = x.shape;
  const { inChannels, inputSize } = config;
  const fits = channels === inChannels && height === inputSize && width === inputSize;
  if (x.shape.length !== 4 || !fits || t.length !== n || y.length !== n) {
    throw new ShapeError(
      `DiT: expected images [N, ${inChannels}, ${inputSize}, ${inputSize}] with N timesteps and labels, got [${x.shape.join(', ')}] with ${t.length} and ${y.length}.`,
    );
  }
  return ops.scope((s) => {
    const projected = embedPatches(s, lookup, config, x);
    const tokens = s.add(projected, lookup(POSITION_EMBEDDING)); // [N, T, D] + [1, T, D]
    const conditioning = s.add(embedTimesteps(s, lookup, t), embedLabels(s, lookup, config, y));
    return { tokens, conditioning };
  });
}

/** Images [N, C, H, W] -> [N, T, D]: a convolution with stride p, as a linear layer on patches. */
function embedPatches(s: TensorOps, lookup: WeightLookup, config: DiTConfig, x: Tensor): Tensor {
  const kernel = s.reshape(lookup('x_embedder.proj.weight'), [config.hiddenSize, -1]); // [D, C p p]
  const bias = lookup('x_embedder.proj.bias');
  return linear(s, patchify(s, x, config.patchSize), kernel, { bias });
}

const MAX_PERIOD = 10000;

/**
 * Cosines, then sines, of t times 10000^(-i/128), row-major [N, 256]. On the host in float64: it is
 * small, and the arguments (up to 999) are where float32 would lose digits.
 */
export function timestepFrequencies(t: HostVector): Float32Array {
  const half = TIMESTEP_FREQUENCIES / 2;
  const out = new Float32Array(t.length * TIMESTEP_FREQUENCIES);
  t.forEach((timestep, n) => {
    const at = n * TIMESTEP_FREQUENCIES;
    for (let i = 0; i < half; i++) {
      const angle = timestep * MAX_PERIOD ** (-i / half);
      out[at + i] = Math.cos(angle);
      out[at + half + i] = Math.sin(angle);
    }
  });
  return out;
}

/** Timesteps -> [N, D]. */
function embedTimesteps(s: TensorOps, lookup: WeightLookup, t: HostVector): Tensor {
  const layer = (x: Tensor, name: string, activation: Activation) => {
    const bias = lookup(`t_embedder.mlp.${name}.bias`);
    return linear(s, x, lookup(`t_embedder.mlp.${name}.weight`), { bias, activation });
  };
  const sinusoids = s.tensor(timestepFrequencies(t), [t.length, TIMESTEP_FREQUENCIES]);
  return layer(layer(sinusoids, '0', 'silu'), '2', 'none');
}

/** Labels -> [N, D]. */
function embedLabels(s: TensorOps, lookup: WeightLookup, config: DiTConfig, y: HostVector): Tensor {
  checkLabels(config, y);
  const table = lookup('y_embedder.embedding_table.weight'); // [classes (+ 1), D]
  return s.gatherRows(table, s.indices(Int32Array.from(y), [y.length]));
}

/** @throws ArgumentError for a label that the model does not have. */
export function checkLabels(config: DiTConfig, y: HostVector): void {
  const { numClasses } = config;
  const last = hasNullLabel(config) ? numClasses : numClasses - 1;
  const bad = y.find((label) => !Number.isInteger(label) || label < 0 || label > last);
  if (bad === undefined) return;
  const nullLabel = hasNullLabel(config) ? ` (${numClasses} is the null label)` : '';
  throw new ArgumentError(
    `Label ${bad} does not exist: the model's classes are 0 to ${numClasses - 1}${nullLabel}.`,
  );
}
