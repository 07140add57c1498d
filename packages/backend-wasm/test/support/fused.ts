import { type FusedKernels, type Tensor, TensorOps } from '@vq4dit/core';
import { afterAll, beforeAll, expect } from 'vitest';
import { createWasmBackend } from '../../src/index.ts';
import { expectSameBits, type Host } from './devices.ts';
import { allowRelaxedSimd } from './relaxed.ts';

/** An operation with any number of outputs, on any backend. */
export type Operation = (ops: TensorOps, inputs: readonly Tensor[]) => readonly Tensor[];

/** Both builds of the kernels, each with one and with three threads. */
export interface FusedDevices {
  /**
   * The outputs of an operation on each build. Threads must not change a bit of them, nothing may
   * stay alive, and `kernel` must be one that the backend has.
   */
  run(
    kernel: keyof FusedKernels<unknown>,
    operation: Operation,
    inputs: readonly Host[],
  ): Promise<Float32Array[][]>;
}

/** Starts the backends before the tests of a file and closes them after. */
export function useFused(): FusedDevices {
  const builds: TensorOps[][] = [];
  beforeAll(async () => {
    allowRelaxedSimd();
    for (const relaxed of [false, true]) {
      const start = (threads: number) => createWasmBackend({ threads, relaxed });
      const backends = await Promise.all([1, 3].map(start));
      expect(backends[0]!.engine.relaxed).toBe(relaxed);
      expect(backends[1]!.engine.threads).toBe(3);
      builds.push(backends.map((backend) => new TensorOps(backend)));
    }
  });
  afterAll(() => Promise.all(builds.flat().map((ops) => ops.backend.close())));
  return {
    async run(kernel, operation, inputs) {
      const results: Float32Array[][] = [];
      for (const threads of builds) {
        const [one, three] = await Promise.all(
          threads.map((ops) => {
            expect(ops.hasFused(kernel)).toBe(true);
            return evaluate(ops, operation, inputs);
          }),
        );
        one!.forEach((values, i) => {
          expectSameBits(three![i]!, values);
        });
        results.push(one!);
      }
      return results;
    },
  };
}

/** Runs an operation on one backend and reads its outputs. */
export async function evaluate(
  ops: TensorOps,
  operation: Operation,
  inputs: readonly Host[],
): Promise<Float32Array[]> {
  const before = ops.backend.liveBuffers?.();
  const tensors = inputs.map(({ data, shape }) => ops.tensor(data as Float32Array, shape));
  const outputs = operation(ops, tensors);
  const values = await Promise.all(outputs.map((x) => ops.read(x)));
  for (const tensor of [...tensors, ...outputs]) tensor.dispose();
  expect(ops.backend.liveBuffers?.()).toBe(before);
  return values;
}

/** |got - want| over |want|, both as Euclidean norms. */
export function relativeError(got: ArrayLike<number>, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length);
  let error = 0;
  let size = 0;
  for (let i = 0; i < want.length; i++) {
    error += (got[i]! - want[i]!) ** 2;
    size += want[i]! ** 2;
  }
  return error === 0 ? 0 : Math.sqrt(error / size);
}

/** Every element within its own bound; NaN and infinity only where expected. */
export function expectWithin(
  got: ArrayLike<number>,
  want: ArrayLike<number>,
  bound: (index: number) => number,
): void {
  expect(got.length).toBe(want.length);
  for (let i = 0; i < want.length; i++) {
    const [g, w] = [got[i]!, want[i]!];
    if (Object.is(g, w) || g === w) continue;
    if (!(Math.abs(g - w) <= bound(i))) expect.fail(`[${i}] is ${g}, not ${w} within ${bound(i)}`);
  }
}
