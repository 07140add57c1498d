import { ArgumentError, NonFiniteError, ShapeError } from '../errors.ts';
import type { WeightMatrix } from './quantized-weight.ts';

/** Least and greatest value that each channel of an activation takes, [channels] each. */
export interface ChannelRanges {
  readonly low: Float32Array;
  readonly high: Float32Array;
}

/** What channel j of an activation x becomes: (x_j + shift_j) / divide_j. */
export interface ScaleReparametrization {
  /** The variation factor r1 of RepQ-ViT, positive, [channels]. */
  readonly divide: Float64Array;
  /** s r2 of RepQ-ViT, [channels]. */
  readonly shift: Float64Array;
}

/**
 * The scale reparametrization of RepQ-ViT (Li et al. 2023, its section on LayerNorm activations): the
 * activation gets a grid (s_j, z_j) for each channel, and is then scaled and shifted so that the one
 * grid of the means (s~, z~) serves all channels,
 *
 *     r1 = s / s~,    r2 = z - z~,    x'_j = (x_j + s_j r2_j) / r1_j.
 *
 * A channel that never varies is left alone.
 *
 * @param bits of the activation's grids; they shape the shift only by rounding
 * @throws ShapeError for ranges of different lengths; NonFiniteError for NaN or infinity in them;
 *   ArgumentError where a greatest value is below the least
 */
export function reparametrizeScales(
  { low, high }: ChannelRanges,
  bits = 8,
): ScaleReparametrization {
  const channels = low.length;
  if (high.length !== channels) {
    throw new ShapeError(`${channels} least and ${high.length} greatest values do not fit.`);
  }
  const scales = new Float64Array(channels);
  const zeros = new Float64Array(channels);
  const live: number[] = [];
  for (let j = 0; j < channels; j++) {
    const range = high[j]! - low[j]!;
    if (!Number.isFinite(range)) {
      throw new NonFiniteError(`Channel ${j} of an activation reaches ${low[j]} to ${high[j]}.`);
    }
    if (range < 0) throw new ArgumentError(`Channel ${j} has the range ${low[j]} to ${high[j]}.`);
    scales[j] = range / (2 ** bits - 1);
    if (range === 0) continue;
    zeros[j] = Math.round(-low[j]! / scales[j]!);
    live.push(j);
  }
  const mean = (values: Float64Array) =>
    live.reduce((total, j) => total + values[j]!, 0) / live.length;
  const [scale, zero] = [mean(scales), Math.round(mean(zeros))];
  const divide = new Float64Array(channels).fill(1);
  const shift = new Float64Array(channels);
  for (const j of live) {
    divide[j] = scales[j]! / scale;
    shift[j] = scales[j]! * (zeros[j]! - zero);
  }
  return { divide, shift };
}

/** A linear layer: y = W x + b. */
export interface LinearParameters {
  readonly weight: WeightMatrix;
  readonly bias: Float32Array;
}

/**
 * The layer that gives for x' what `layer` gives for x: W' = W diag(r1), b' = b - W (s r2).
 *
 * @throws ShapeError where the channels are not the layer's columns
 */
export function reparametrizeInput(
  { weight, bias }: LinearParameters,
  { divide, shift }: ScaleReparametrization,
): LinearParameters {
  const { name, rows, columns, data } = weight;
  if (divide.length !== columns) {
    throw new ShapeError(`${name}: ${divide.length} channels do not fit ${columns} inputs.`);
  }
  const values = new Float32Array(data.length);
  const moved = new Float32Array(rows);
  for (let row = 0; row < rows; row++) {
    let product = 0;
    for (let j = 0; j < columns; j++) {
      const value = data[row * columns + j]!;
      values[row * columns + j] = value * divide[j]!;
      product += value * shift[j]!;
    }
    moved[row] = bias[row]! - product;
  }
  return { weight: { ...weight, data: values }, bias: moved };
}

/**
 * The layer that computes the modulation of x' instead of that of x = n (1 + scale) + shift, with n
 * normalized: RepQ-ViT folds r1 and r2 into gamma and beta of a LayerNorm, and an adaLN block has the
 * rows of a linear layer in their place. The scale becomes (1 + scale) / r1 - 1, the shift
 * (shift + s r2) / r1.
 *
 * @param rows where the channels' shifts and scales begin among the layer's outputs
 * @throws ShapeError where the rows are not there
 */
export function reparametrizeModulation(
  { weight, bias }: LinearParameters,
  { divide, shift }: ScaleReparametrization,
  rows: { readonly shift: number; readonly scale: number },
): LinearParameters {
  const { name, columns } = weight;
  const channels = divide.length;
  if (Math.max(rows.shift, rows.scale) + channels > weight.rows) {
    throw new ShapeError(`${name}: ${weight.rows} rows do not hold ${channels} channels there.`);
  }
  const data = Float32Array.from(weight.data);
  const moved = Float32Array.from(bias);
  for (let j = 0; j < channels; j++) {
    for (const row of [rows.shift + j, rows.scale + j]) {
      for (let i = row * columns; i < (row + 1) * columns; i++) data[i] = data[i]! / divide[j]!;
    }
    moved[rows.shift + j] = (bias[rows.shift + j]! + shift[j]!) / divide[j]!;
    moved[rows.scale + j] = (bias[rows.scale + j]! + 1) / divide[j]! - 1;
  }
  return { weight: { ...weight, data }, bias: moved };
}
