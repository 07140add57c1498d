import { type BinaryOp, type Shape, sizeOf, type UnaryOp } from '@vq4dit/core';
import type { HostTensor } from './host-tensor.ts';

/**
 * Definitions in float64, written as plainly as they read in a textbook and apart from any backend,
 * so that the reference backend is judged by something else than itself.
 */

/** All positions of a shape in row-major order. */
export function* positions(shape: Shape): Generator<number[]> {
  const position = shape.map(() => 0);
  for (let count = sizeOf(shape); count > 0; count--) {
    yield position;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      position[axis]!++;
      if (position[axis]! < shape[axis]!) break;
      position[axis] = 0;
    }
  }
}

/** The element of `t` at a position; a dimension of size 1 stands for any coordinate. */
export function element(t: HostTensor, position: readonly number[]): number {
  let offset = 0;
  const skipped = position.length - t.shape.length;
  for (let axis = 0; axis < t.shape.length; axis++) {
    const dim = t.shape[axis]!;
    offset = offset * dim + (dim === 1 ? 0 : position[skipped + axis]!);
  }
  return t.data[offset]!;
}

/** A tensor computed position by position. */
export function build(shape: Shape, at: (position: readonly number[]) => number): Float64Array {
  const out = new Float64Array(sizeOf(shape));
  let i = 0;
  for (const position of positions(shape)) out[i++] = at(position);
  return out;
}

export const UNARY_FUNCTIONS: Readonly<Record<UnaryOp, (x: number) => number>> = {
  neg: (x) => -x,
  abs: (x) => (x < 0 ? -x : x === 0 ? 0 : x),
  sign: (x) => (x > 0 ? 1 : x < 0 ? -1 : x),
  exp: (x) => Math.exp(x),
  log: (x) => Math.log(x),
  sqrt: (x) => Math.sqrt(x),
  square: (x) => x ** 2,
  reciprocal: (x) => 1 / x,
  sin: (x) => Math.sin(x),
  cos: (x) => Math.cos(x),
  tanh: (x) => Math.tanh(x),
  sigmoid: (x) => (x >= 0 ? 1 / (1 + Math.exp(-x)) : Math.exp(x) / (1 + Math.exp(x))),
};

const anyNaN = (a: number, b: number) => Number.isNaN(a) || Number.isNaN(b);

export const BINARY_FUNCTIONS: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: (a, b) => (anyNaN(a, b) ? Number.NaN : a > b ? a : b),
  minimum: (a, b) => (anyNaN(a, b) ? Number.NaN : a < b ? a : b),
  greater: (a, b) => (a > b ? 1 : 0),
};

/** A sum and the sum of the absolute values of its terms. */
export interface Sums {
  readonly values: Float64Array;
  readonly magnitude: Float64Array;
}

/** Sums `terms` numbers for each of `count` results. */
export function sums(
  count: number,
  terms: number,
  term: (result: number, index: number) => number,
): Sums {
  const values = new Float64Array(count);
  const magnitude = new Float64Array(count);
  for (let i = 0; i < count; i++) {
    for (let j = 0; j < terms; j++) {
      const t = term(i, j);
      values[i]! += t;
      magnitude[i]! += Math.abs(t);
    }
  }
  return { values, magnitude };
}

/** a [B, M, K] or, transposed, [B, K, M]; b [B, K, N] or [B, N, K] -> [B, M, N]. */
export function matmul(
  a: HostTensor,
  b: HostTensor,
  transposeA: boolean,
  transposeB: boolean,
): Sums {
  const [batch, rowsA, colsA] = a.shape as [number, number, number];
  const [m, k] = transposeA ? [colsA, rowsA] : [rowsA, colsA];
  const n = transposeB ? b.shape[1]! : b.shape[2]!;
  const values = new Float64Array(batch * m * n);
  const magnitude = new Float64Array(values.length);
  for (let at = 0; at < values.length; at++) {
    const i = Math.floor(at / (m * n));
    const row = Math.floor(at / n) % m;
    const col = at % n;
    for (let j = 0; j < k; j++) {
      const left = a.data[transposeA ? (i * k + j) * m + row : (i * m + row) * k + j]!;
      const right = b.data[transposeB ? (i * n + col) * k + j : (i * k + j) * n + col]!;
      values[at]! += left * right;
      magnitude[at]! += Math.abs(left * right);
    }
  }
  return { values, magnitude };
}

/** The n nearest codewords of each row by sorting all of them; ties by index. */
export function nearest(x: HostTensor, codebook: HostTensor, n: number) {
  const [rows, d] = x.shape as [number, number];
  const k = codebook.shape[0]!;
  const indices = new Int32Array(rows * n);
  const distances = new Float64Array(rows * n);
  for (let row = 0; row < rows; row++) {
    const all = Array.from({ length: k }, (_, index) => {
      let distance = 0;
      for (let j = 0; j < d; j++) {
        distance += (x.data[row * d + j]! - codebook.data[index * d + j]!) ** 2;
      }
      return { index, distance };
    });
    all.sort((p, q) => p.distance - q.distance || p.index - q.index);
    for (let j = 0; j < n; j++) {
      indices[row * n + j] = all[j]!.index;
      distances[row * n + j] = all[j]!.distance;
    }
  }
  return { indices, distances };
}
