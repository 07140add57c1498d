import type { DType, KernelTensor, Shape } from '@vq4dit/core';
import { sizeOf } from '@vq4dit/core';
import { afterAll, beforeAll, expect } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../../src/index.ts';
import { expectSameBits, type Host } from './devices.ts';

/** One result of a kernel. */
export interface Output {
  readonly handle: number;
  readonly shape: Shape;
  readonly dtype: DType;
}

type Values = Float32Array | Int32Array;

/** Runs a kernel of one or several results on both builds with 1 and with 3 threads. */
export interface AllDevices {
  /** Results must have the same bits on all devices. */
  run(
    call: (backend: WasmBackend, inputs: readonly KernelTensor<number>[]) => readonly Output[],
    inputs: readonly Host[],
  ): readonly Values[];
}

/** Starts the devices before the tests of a file and closes them after. */
export function useAllDevices(): AllDevices {
  let backends: WasmBackend[] = [];
  beforeAll(async () => {
    const kinds = [false, true].flatMap((relaxed) =>
      [1, 3].map((threads) => ({ relaxed, threads })),
    );
    backends = await Promise.all(kinds.map((kind) => createWasmBackend(kind)));
  });
  afterAll(() => Promise.all(backends.map((backend) => backend.close())));
  return {
    run(call, inputs) {
      const [first, ...others] = backends.map((backend) => runOn(backend, call, inputs));
      for (const other of others) {
        other.forEach((values, i) => {
          expectSameBits(values, first![i]!);
        });
      }
      return first!;
    },
  };
}

function runOn(
  backend: WasmBackend,
  call: Parameters<AllDevices['run']>[0],
  inputs: readonly Host[],
): Values[] {
  const { engine } = backend;
  const before = engine.blocks;
  const tensors = inputs.map(({ data, shape }): KernelTensor<number> => {
    const dtype = data instanceof Int32Array ? 'int32' : 'float32';
    return { handle: backend.upload(data, shape, dtype), shape, dtype };
  });
  const outputs = call(backend, tensors);
  const results = outputs.map(({ handle, shape, dtype }) => {
    const size = sizeOf(shape);
    return dtype === 'int32'
      ? new Int32Array(engine.int32(handle, size))
      : new Float32Array(engine.float32(handle, size));
  });
  for (const { handle } of [...outputs, ...tensors]) backend.free(handle);
  expect(engine.blocks).toBe(before);
  return results;
}
