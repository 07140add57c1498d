import { type KernelTensor, sizeOf, stridesOf } from '@vq4dit/core';
import { coordinates } from './indexing.ts';
import type { Allocator, Values } from './storage.ts';

export function gatherRows(
  alloc: Allocator,
  x: KernelTensor<Values>,
  indices: KernelTensor<Values>,
): Values {
  const d = x.shape[1]!;
  const out = alloc.like(x.dtype, indices.handle.length * d);
  indices.handle.forEach((row, i) => {
    out.set(x.handle.subarray(row * d, (row + 1) * d), i * d);
  });
  return out;
}

/** Sums in float64, in the order of the updates. */
export function scatterAddRows(
  alloc: Allocator,
  updates: KernelTensor<Values>,
  indices: KernelTensor<Values>,
  rows: number,
): Values {
  const d = updates.shape[1]!;
  const sums = new Float64Array(rows * d);
  for (let i = 0; i < indices.handle.length; i++) {
    const row = indices.handle[i]!;
    for (let j = 0; j < d; j++) sums[row * d + j]! += updates.handle[i * d + j]!;
  }
  const out = alloc.float(sums.length);
  out.set(sums);
  return out;
}

export function permute(
  alloc: Allocator,
  x: KernelTensor<Values>,
  axes: readonly number[],
): Values {
  const strides = stridesOf(x.shape);
  const from = coordinates(
    axes.map((axis) => x.shape[axis]!),
    axes.map((axis) => strides[axis]!),
  );
  const out = alloc.like(x.dtype, x.handle.length);
  for (let i = 0; i < out.length; i++) out[i] = x.handle[from(i)]!;
  return out;
}

export function slice(
  alloc: Allocator,
  x: KernelTensor<Values>,
  begin: readonly number[],
  size: readonly number[],
): Values {
  const strides = stridesOf(x.shape);
  const base = begin.reduce((sum, b, axis) => sum + b * strides[axis]!, 0);
  const from = coordinates(size, strides, base);
  const out = alloc.like(x.dtype, sizeOf(size));
  for (let i = 0; i < out.length; i++) out[i] = x.handle[from(i)]!;
  return out;
}

export function concat(
  alloc: Allocator,
  xs: readonly KernelTensor<Values>[],
  axis: number,
): Values {
  const first = xs[0]!;
  const outer = sizeOf(first.shape.slice(0, axis));
  const total = xs.reduce((sum, x) => sum + x.handle.length, 0);
  const out = alloc.like(first.dtype, total);
  let at = 0;
  for (let i = 0; i < outer; i++) {
    for (const x of xs) {
      const run = x.handle.length / outer;
      out.set(x.handle.subarray(i * run, (i + 1) * run), at);
      at += run;
    }
  }
  return out;
}
