import { cpus } from 'node:os';
import type { Backend, BackendInfo, RequiredKernels } from '@vq4dit/core';
import { binary, unary } from './elementwise.ts';
import { concat, gatherRows, permute, scatterAddRows, slice } from './movement.ts';
import { nearest } from './nearest.ts';
import { argmin, matmul, reduce } from './reductions.ts';
import { Allocator, type FloatStorage, type Values } from './storage.ts';

/** Options of {@link createReferenceBackend}. */
export interface ReferenceBackendOptions {
  /**
   * `float64` keeps intermediate results unrounded: an oracle for finite differences and for
   * measuring the rounding of others. Reads still give float32. Default `float32`.
   */
  readonly storage?: FloatStorage;
}

/**
 * The tensor contract in plain TypeScript: every kernel is its definition, accumulated in float64
 * and rounded to float32 once. It is slow; tests measure other backends by it.
 */
export function createReferenceBackend(options: ReferenceBackendOptions = {}): Backend<Values> {
  const storage = options.storage ?? 'float32';
  const alloc = new Allocator(storage);
  const counted = <T extends Values>(values: T): T => {
    alloc.live++;
    return values;
  };

  const kernels: RequiredKernels<Values> = {
    unary: (op, x) => counted(unary(alloc, op, x)),
    binary: (op, a, b, shape) => counted(binary(alloc, op, a, b, shape)),
    matmul: (a, b, transposeA, transposeB) => counted(matmul(alloc, a, b, transposeA, transposeB)),
    reduce: (op, x) => counted(reduce(alloc, op, x)),
    argmin: (x) => counted(argmin(x)),
    gatherRows: (x, indices) => counted(gatherRows(alloc, x, indices)),
    scatterAddRows: (x, indices, rows) => counted(scatterAddRows(alloc, x, indices, rows)),
    permute: (x, axes) => counted(permute(alloc, x, axes)),
    slice: (x, begin, size) => counted(slice(alloc, x, begin, size)),
    concat: (xs, axis) => counted(concat(alloc, xs, axis)),
    nearest: (x, codebook, n) => {
      const found = nearest(alloc, x, codebook, n);
      return { indices: counted(found.indices), distances: counted(found.distances) };
    },
  };

  return {
    id: 'reference',
    info: (): BackendInfo => ({
      id: 'reference',
      device: `${cpus()[0]?.model.trim() ?? 'CPU'} (JavaScript, one thread)`,
      isGpu: false,
      precision: storage === 'float64' ? 'f64' : 'f32',
      versions: { node: process.versions.node, v8: process.versions.v8 },
    }),
    upload(data, _shape, dtype) {
      const values = alloc.like(dtype, data.length);
      values.set(data);
      return counted(values);
    },
    read: async (x) =>
      x.dtype === 'int32' ? Int32Array.from(x.handle) : Float32Array.from(x.handle),
    free() {
      alloc.live--;
    },
    sync: async () => {},
    liveBuffers: () => alloc.live,
    close: async () => {},
    kernels,
  };
}
