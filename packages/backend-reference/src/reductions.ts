import type { KernelTensor, ReduceOp } from '@vq4dit/core';
import type { Allocator, Values } from './storage.ts';

/** Batched matrix product; every dot product is summed in float64 and rounded once. */
export function matmul(
  alloc: Allocator,
  a: KernelTensor<Values>,
  b: KernelTensor<Values>,
  transposeA: boolean,
  transposeB: boolean,
): Values {
  const [batch, rowsA, colsA] = a.shape as [number, number, number];
  const [, rowsB, colsB] = b.shape as [number, number, number];
  const [m, k] = transposeA ? [colsA, rowsA] : [rowsA, colsA];
  const n = transposeB ? rowsB : colsB;
  // Steps in memory for one step along M or N, and along K.
  const [stepM, stepKa] = transposeA ? [1, colsA] : [colsA, 1];
  const [stepN, stepKb] = transposeB ? [colsB, 1] : [1, colsB];
  const out = alloc.float(batch * m * n);
  for (let i = 0; i < batch; i++) {
    for (let row = 0; row < m; row++) {
      for (let col = 0; col < n; col++) {
        let sum = 0;
        let atA = i * m * k + row * stepM;
        let atB = i * k * n + col * stepN;
        for (let j = 0; j < k; j++) {
          sum += a.handle[atA]! * b.handle[atB]!;
          atA += stepKa;
          atB += stepKb;
        }
        out[(i * m + row) * n + col] = sum;
      }
    }
  }
  return out;
}

/** x [outer, n, inner] -> [outer, inner]. */
export function reduce(alloc: Allocator, op: ReduceOp, x: KernelTensor<Values>): Values {
  const [outer, n, inner] = x.shape as [number, number, number];
  const out = alloc.float(outer * inner);
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < inner; j++) {
      let result = op === 'sum' ? 0 : Number.NEGATIVE_INFINITY;
      for (let l = 0; l < n; l++) {
        const value = x.handle[(i * n + l) * inner + j]!;
        result = op === 'sum' ? result + value : Math.max(result, value);
      }
      out[i * inner + j] = result;
    }
  }
  return out;
}

/** x [rows, n] -> int32 [rows]. */
export function argmin(x: KernelTensor<Values>): Int32Array {
  const [rows, n] = x.shape as [number, number];
  const out = new Int32Array(rows);
  for (let row = 0; row < rows; row++) {
    let best = Number.POSITIVE_INFINITY;
    for (let i = 0; i < n; i++) {
      const value = x.handle[row * n + i]!;
      // Strict comparison: ties keep the lowest index, and NaN never wins.
      if (value < best) {
        best = value;
        out[row] = i;
      }
    }
  }
  return out;
}
