import { type DType, type RandomStream, type Shape, sizeOf } from '@vq4dit/core';

/** A tensor on the host: an input of a case. */
export interface HostTensor {
  readonly shape: Shape;
  readonly dtype: DType;
  readonly data: Float32Array | Int32Array;
}

/** A float32 tensor from values, or from a function of the position. */
export function floats(
  shape: Shape,
  values: ArrayLike<number> | ((index: number) => number),
): HostTensor {
  const data = new Float32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    data[i] = typeof values === 'function' ? values(i) : values[i]!;
  }
  return { shape, dtype: 'float32', data };
}

/** An int32 tensor from values, or from a function of the position. */
export function ints(
  shape: Shape,
  values: ArrayLike<number> | ((index: number) => number),
): HostTensor {
  const data = new Int32Array(sizeOf(shape));
  for (let i = 0; i < data.length; i++) {
    data[i] = typeof values === 'function' ? values(i) : values[i]!;
  }
  return { shape, dtype: 'int32', data };
}

/** Standard normal numbers: all mantissa bits in use. */
export function gaussian(rng: RandomStream, shape: Shape): HostTensor {
  return floats(shape, () => rng.normal());
}

/** Uniform numbers from `min` to `max`. */
export function uniform(rng: RandomStream, shape: Shape, min = 0, max = 1): HostTensor {
  return floats(shape, () => min + (max - min) * rng.uniform());
}

/** Integers from -limit to limit as float32: sums of their products are exact in any order. */
export function integers(rng: RandomStream, shape: Shape, limit: number): HostTensor {
  return floats(shape, () => rng.integer(2 * limit + 1) - limit);
}

/** Row numbers below `rows`. */
export function rowIndices(rng: RandomStream, shape: Shape, rows: number): HostTensor {
  return ints(shape, () => rng.integer(rows));
}

/**
 * -1000, -999, ... 1000, and again: neighbours differ, so a wrong movement shows, and half
 * precision holds each value.
 */
export function labels(shape: Shape): HostTensor {
  return floats(shape, (i) => (i % 2001) - 1000);
}

/** Integers that float32 cannot hold: an index that passes through floats does not survive. */
export function bigInts(shape: Shape): HostTensor {
  return ints(shape, (i) => (i % 2 === 0 ? 1 : -1) * (2 ** 24 + 1 + 2 * i));
}
