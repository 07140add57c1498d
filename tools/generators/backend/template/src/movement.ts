import { type KernelTensor, type Shape, sizeOf, stridesOf } from '@vq4dit/core';
import { type DeviceBuffer, type Values, zeros } from './memory.ts';

// DEVICE: kernels that move data, bit for bit, of both dtypes. Strides come from the shape that is
// given with a tensor, never from the one it was made with: reshaping does not call a backend.

type Input = KernelTensor<DeviceBuffer>;

/** Where in memory each position of `shape` is, in row-major order. */
export function offsets(shape: Shape, strides: readonly number[], base = 0): Int32Array {
  let found = Int32Array.of(base);
  shape.forEach((dim, axis) => {
    const next = new Int32Array(found.length * dim);
    for (let i = 0; i < next.length; i++) {
      next[i] = found[Math.floor(i / dim)]! + (i % dim) * strides[axis]!;
    }
    found = next;
  });
  return found;
}

function take({ handle, dtype }: Input, from: Int32Array): Values {
  const out = zeros(dtype, from.length);
  from.forEach((at, i) => {
    out[i] = handle.values[at]!;
  });
  return out;
}

/** Output axis i is input axis `axes[i]`. */
export function permute(x: Input, axes: readonly number[]): Values {
  const strides = stridesOf(x.shape);
  const shape = axes.map((axis) => x.shape[axis]!);
  return take(
    x,
    offsets(
      shape,
      axes.map((axis) => strides[axis]!),
    ),
  );
}

export function slice(x: Input, begin: readonly number[], size: readonly number[]): Values {
  const strides = stridesOf(x.shape);
  const base = begin.reduce((sum, start, axis) => sum + start * strides[axis]!, 0);
  return take(x, offsets(size, strides, base));
}

/** Runs of each tensor in turn: what lies behind the axis is contiguous. */
export function concat(xs: readonly Input[], axis: number): Values {
  const runs = xs.map(({ shape }) => sizeOf(shape.slice(axis)));
  const outer = sizeOf(xs[0]!.shape.slice(0, axis));
  const total = runs.reduce((a, b) => a + b, 0);
  const out = zeros(xs[0]!.dtype, outer * total);
  for (let i = 0, at = 0; i < outer; i++) {
    xs.forEach(({ handle }, j) => {
      out.set(handle.values.subarray(i * runs[j]!, (i + 1) * runs[j]!), at);
      at += runs[j]!;
    });
  }
  return out;
}

/** x [N, d], indices int32 [M] -> [M, d] */
export function gatherRows(x: Input, indices: Input): Values {
  const d = x.shape[1]!;
  const out = zeros(x.dtype, indices.handle.values.length * d);
  indices.handle.values.forEach((row, i) => {
    out.set(x.handle.values.subarray(row * d, (row + 1) * d), i * d);
  });
  return out;
}

/** updates [M, d], indices int32 [M] -> [rows, d]. Repeated indices add up. */
export function scatterAddRows(updates: Input, indices: Input, rows: number): Values {
  const d = updates.shape[1]!;
  const sums = new Float64Array(rows * d);
  updates.handle.values.forEach((value, at) => {
    sums[indices.handle.values[Math.floor(at / d)]! * d + (at % d)]! += value;
  });
  return Float32Array.from(sums);
}
