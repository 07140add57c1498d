import {
  type BinaryOp,
  type KernelTensor,
  type ReduceOp,
  type Shape,
  sizeOf,
  stridesOf,
  type UnaryOp,
} from '@vq4dit/core';
import type { DeviceBuffer, Values } from './memory.ts';
import { offsets } from './movement.ts';

// DEVICE: each function here becomes a kernel. Sums are in float64 and rounded once; a device may
// add in float32 and in any order.

type Input = KernelTensor<DeviceBuffer>;

const UNARY: Readonly<Record<UnaryOp, (x: number) => number>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  square: (x) => x * x,
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

const BINARY: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  greater: (a, b) => Number(a > b),
};

export function unary(op: UnaryOp, { handle }: Input): Values {
  return Float32Array.from(handle.values, UNARY[op]);
}

/** Operands are aligned at the right; a dimension of size 1 stretches: its stride is 0. */
export function binary(op: BinaryOp, a: Input, b: Input, shape: Shape): Values {
  const [atA, atB] = [a, b].map(({ shape: own }) => {
    const strides = stridesOf(own).map((stride, axis) => (own[axis] === 1 ? 0 : stride));
    return offsets(shape, [...new Array(shape.length - own.length).fill(0), ...strides]);
  });
  const f = BINARY[op];
  return Float32Array.from(atA!, (at, i) => f(a.handle.values[at]!, b.handle.values[atB![i]!]!));
}

/** a [B, M, K] or [B, K, M], b [B, K, N] or [B, N, K] -> [B, M, N] */
export function matmul(a: Input, b: Input, transposeA: boolean, transposeB: boolean): Values {
  const [batch, rows, columns] = a.shape as [number, number, number];
  const [m, k] = transposeA ? [columns, rows] : [rows, columns];
  const n = b.shape[transposeB ? 1 : 2]!;
  // Steps in memory along M and K of a, along K and N of b.
  const [alongM, alongKa] = transposeA ? [1, m] : [k, 1];
  const [alongKb, alongN] = transposeB ? [1, k] : [n, 1];
  const [left, right] = [a.handle.values, b.handle.values];
  const out = new Float32Array(batch * m * n);
  for (let at = 0; at < out.length; at++) {
    const [image, row, column] = [Math.floor(at / (m * n)), Math.floor(at / n) % m, at % n];
    let i = image * m * k + row * alongM;
    let j = image * k * n + column * alongN;
    let sum = 0;
    for (let step = 0; step < k; step++, i += alongKa, j += alongKb) sum += left[i]! * right[j]!;
    out[at] = sum;
  }
  return out;
}

/** x [outer, n, inner] -> [outer, inner] */
export function reduce(op: ReduceOp, { handle, shape }: Input): Values {
  const [outer, n, inner] = shape as [number, number, number];
  return Float32Array.from({ length: outer * inner }, (_, at) => {
    const first = Math.floor(at / inner) * n * inner + (at % inner);
    let result = op === 'sum' ? 0 : Number.NEGATIVE_INFINITY;
    for (let i = 0; i < n; i++) {
      const value = handle.values[first + i * inner]!;
      result = op === 'sum' ? result + value : Math.max(result, value);
    }
    return result;
  });
}

/** x [rows, n] -> int32 [rows]. "Less" alone keeps the lowest index, and NaN never wins. */
export function argmin({ handle, shape }: Input): Values {
  const [rows, n] = shape as [number, number];
  return Int32Array.from({ length: rows }, (_, row) => {
    let [best, least] = [0, Number.POSITIVE_INFINITY];
    for (let i = 0; i < n; i++) {
      const value = handle.values[row * n + i]!;
      if (value < least) [best, least] = [i, value];
    }
    return best;
  });
}

/** x [N, d], codebook [k, d] -> int32 [N, n] and float32 [N, n]; one row at a time, no N x k table. */
export function nearest(x: Input, codebook: Input, n: number) {
  const [rows, d] = x.shape as [number, number];
  const [values, words] = [x.handle.values, codebook.handle.values];
  const indices = new Int32Array(sizeOf([rows, n]));
  const distances = new Float32Array(indices.length);
  const found = new Float64Array(n);
  for (let row = 0; row < rows; row++) {
    found.fill(Number.POSITIVE_INFINITY);
    for (let word = 0; word < codebook.shape[0]!; word++) {
      let distance = 0;
      for (let j = 0; j < d; j++) distance += (values[row * d + j]! - words[word * d + j]!) ** 2;
      // Insertion behind everything that is as near: of equal distances the lowest index is first.
      let at = n;
      while (at > 0 && distance < found[at - 1]!) at--;
      if (at === n) continue;
      found.copyWithin(at + 1, at, n - 1);
      indices.copyWithin(row * n + at + 1, row * n + at, row * n + n - 1);
      found[at] = distance;
      indices[row * n + at] = word;
    }
    distances.set(found, row * n);
  }
  return { indices, distances };
}
