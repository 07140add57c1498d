import type { ReduceOp } from '@vq4dit/core';
import type { HostMemory, Kernel } from '../device.ts';
import type { HostValues, TensorInfo } from '../tf.ts';
import { sumRange } from './sums.ts';

/**
 * x [outer, n, inner] -> [outer, inner]. Sums are kept in float64: as fast as the wasm kernel, and
 * a loss over a million elements keeps all its digits.
 */
export function reduceLoop(host: HostMemory, op: ReduceOp, x: Kernel): TensorInfo {
  const [outer, n, inner] = x.shape as [number, number, number];
  const info = host.allocate([outer, inner], 'float32');
  const out = host.values(info);
  const values = host.values(x.handle);
  if (op === 'sum' && inner === 1) sumRows(values, n, out);
  else if (op === 'sum') sumColumns(values, outer, n, inner, out);
  else maxima(values, outer, n, inner, out);
  return info;
}

function sumRows(x: HostValues, n: number, out: HostValues): void {
  for (let row = 0; row < out.length; row++) {
    out[row] = sumRange(x, row * n, (row + 1) * n);
  }
}

function sumColumns(x: HostValues, outer: number, n: number, inner: number, out: HostValues): void {
  const sums = new Float64Array(inner);
  for (let i = 0; i < outer; i++) {
    sums.fill(0);
    for (let l = 0; l < n; l++) {
      const at = (i * n + l) * inner;
      for (let j = 0; j < inner; j++) sums[j]! += x[at + j]!;
    }
    out.set(sums, i * inner);
  }
}

function maxima(x: HostValues, outer: number, n: number, inner: number, out: HostValues): void {
  for (let i = 0; i < outer; i++) {
    for (let j = 0; j < inner; j++) {
      let result = Number.NEGATIVE_INFINITY;
      for (let l = 0; l < n; l++) {
        const value = x[(i * n + l) * inner + j]!;
        // Written so that a NaN is taken and then kept.
        if (!(value <= result)) result = value;
        if (Number.isNaN(result)) break;
      }
      out[i * inner + j] = result;
    }
  }
}

/** x [rows, n] -> int32 [rows]; strict comparison keeps the lowest index and never takes NaN. */
export function argminLoop(host: HostMemory, x: Kernel): TensorInfo {
  const [rows, n] = x.shape as [number, number];
  const info = host.allocate([rows], 'int32');
  const out = host.values(info);
  const values = host.values(x.handle);
  for (let row = 0; row < rows; row++) {
    let best = Number.POSITIVE_INFINITY;
    let at = 0;
    for (let i = 0; i < n; i++) {
      const value = values[row * n + i]!;
      if (value < best) {
        best = value;
        at = i;
      }
    }
    out[row] = at;
  }
  return info;
}
