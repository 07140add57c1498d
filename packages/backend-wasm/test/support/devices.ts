import type { DType, KernelTensor, Shape } from '@vq4dit/core';
import { RandomStream, sizeOf } from '@vq4dit/core';
import { afterAll, beforeAll, expect } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../../src/index.ts';

/** Values with a shape, on the host. */
export interface Host {
  readonly data: Float32Array | Int32Array;
  readonly shape: Shape;
}

export const host = (data: Float32Array | Int32Array, shape: Shape = [data.length]): Host => ({
  data,
  shape,
});

/** Standard normal numbers. */
export function normal(shape: Shape, seed = 1): Host {
  return host(new RandomStream(seed).fillNormal(new Float32Array(sizeOf(shape))), shape);
}

/** Integers from 0 to below `limit`. */
export function integers(shape: Shape, limit: number, seed = 1): Host {
  const random = new RandomStream(seed);
  return host(
    Int32Array.from({ length: sizeOf(shape) }, () => random.integer(limit)),
    shape,
  );
}

/** A call of one of the kernels of a backend. */
export type Call = (
  kernels: WasmBackend['kernels'],
  inputs: readonly KernelTensor<number>[],
) => number;

/** The builds and numbers of threads that a test file runs on. */
export interface Devices {
  /** The first of each build, for tests of values. */
  builds(): readonly WasmBackend[];
  /**
   * The result of a call on every device. Threads must not change a bit; the relaxed build may
   * round differently, unless `sameBits` says that nothing is rounded.
   */
  run(call: Call, inputs: readonly Host[], shape: Shape, options?: RunOptions): Float32Array[];
}

export interface RunOptions {
  readonly dtype?: DType;
  readonly sameBits?: boolean;
}

/** Starts both builds with 1 and with 3 threads before the tests of a file and closes them after. */
export function useDevices(): Devices {
  let builds: WasmBackend[][] = [];
  beforeAll(async () => {
    const start = (relaxed: boolean) =>
      Promise.all([1, 3].map((threads) => createWasmBackend({ threads, relaxed })));
    builds = [await start(false)];
    const relaxed = await start(true);
    // Without relaxed SIMD in the JavaScript engine it is the same build once more.
    if (relaxed[0]!.engine.relaxed) builds.push(relaxed);
    else await Promise.all(relaxed.map((backend) => backend.close()));
  });
  afterAll(() => Promise.all(builds.flat().map((backend) => backend.close())));
  return {
    builds: () => builds.map(([first]) => first!),
    run(call, inputs, shape, { dtype = 'float32', sameBits = false } = {}) {
      const results = builds.map((backends) => {
        const [one, three] = backends.map((b) => runOn(b, call, inputs, shape, dtype));
        expectSameBits(three!, one!);
        return one!;
      });
      if (sameBits) for (const result of results) expectSameBits(result, results[0]!);
      return results as Float32Array[];
    },
  };
}

function runOn(
  backend: WasmBackend,
  call: Call,
  inputs: readonly Host[],
  shape: Shape,
  dtype: DType,
): Float32Array | Int32Array {
  const before = backend.liveBuffers?.();
  const tensors = inputs.map(({ data, shape }): KernelTensor<number> => {
    const type = data instanceof Int32Array ? 'int32' : 'float32';
    return { handle: backend.upload(data, shape, type), shape, dtype: type };
  });
  const out = call(backend.kernels, tensors);
  const { engine } = backend;
  const size = sizeOf(shape);
  const values =
    dtype === 'int32'
      ? new Int32Array(engine.int32(out, size))
      : new Float32Array(engine.float32(out, size));
  for (const address of [out, ...tensors.map(({ handle }) => handle)]) backend.free(address);
  expect(backend.liveBuffers?.()).toBe(before);
  return values;
}

/** Bit for bit, NaN and the sign of zero included. */
export function expectSameBits(
  got: Float32Array | Int32Array,
  want: Float32Array | Int32Array,
): void {
  expect(got.length).toBe(want.length);
  const a = new Int32Array(got.buffer, got.byteOffset, got.length);
  const b = new Int32Array(want.buffer, want.byteOffset, want.length);
  for (let i = 0; i < a.length; i++) {
    if (a[i] !== b[i]) expect.fail(`[${i}] is ${got[i]}, not ${want[i]}`);
  }
}

/** Distance in units in the last place of float32 at `want`, denormals included. */
export function ulps(got: number, want: number): number {
  if (Object.is(got, Math.fround(want)) || got === Math.fround(want)) return 0;
  const exponent = Math.max(-126, Math.floor(Math.log2(Math.abs(want))));
  return Math.abs(got - want) / 2 ** (exponent - 23);
}
