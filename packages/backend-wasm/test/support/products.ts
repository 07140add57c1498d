import { type RandomStream, TensorOps } from '@vq4dit/core';
import { afterAll, beforeAll } from 'vitest';
import { createWasmBackend, detectFeatures } from '../../src/index.ts';

/** One build of the kernels, on one thread and on three. */
export interface Pair {
  readonly one: TensorOps;
  readonly three: TensorOps;
}

/** Starts every build that this engine runs before the tests of a file, and closes them after. */
export function usePairs(): readonly Pair[] {
  const pairs: Pair[] = [];
  beforeAll(async () => {
    for (const relaxed of detectFeatures().relaxed ? [false, true] : [false]) {
      const start = async (threads: number) =>
        new TensorOps(await createWasmBackend({ threads, relaxed }));
      pairs.push({ one: await start(1), three: await start(3) });
    }
  });
  afterAll(async () => {
    for (const { one, three } of pairs)
      await Promise.all([one.backend.close(), three.backend.close()]);
  });
  return pairs;
}

/** The unit roundoff of float32. */
export const U = 2 ** -24;

export const normal = (stream: RandomStream, count: number) =>
  stream.fillNormal(new Float32Array(count));

/** Where the elements of a product's operands lie. */
export interface Layout {
  readonly m: number;
  readonly k: number;
  readonly n: number;
  /** a lies in memory as [k, m]. */
  readonly transposeA: boolean;
  /** b lies in memory as [n, k]. */
  readonly transposeB: boolean;
}

/** Element [i, j] of the product, and the sum of |a| |b| behind it, in float64. */
export function element(a: Float32Array, b: Float32Array, layout: Layout, i: number, j: number) {
  const { m, k, n, transposeA, transposeB } = layout;
  let [sum, size] = [0, 0];
  for (let p = 0; p < k; p++) {
    const x = a[transposeA ? p * m + i : i * k + p]! * b[transposeB ? j * k + p : p * n + j]!;
    sum += x;
    size += Math.abs(x);
  }
  return { sum, size };
}

/** Every element, row by row; of a large product some thousand of them, spread evenly. */
export function* elements(a: Float32Array, b: Float32Array, layout: Layout) {
  const { m, n } = layout;
  // A stride without common divisors with n, or some columns would never be looked at.
  let stride = Math.max(1, Math.floor((m * n) / 5000));
  while (stride > 1 && greatestCommonDivisor(stride, n) > 1) stride++;
  for (let at = 0; at < m * n; at += stride) {
    const [i, j] = [Math.floor(at / n), at % n];
    yield { at, i, j, ...element(a, b, layout, i, j) };
  }
}

function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
