import { describe, expect, it, vi } from 'vitest';
import { createWasmBackend } from '../src/index.ts';
import { bitsOf } from './support/bits.ts';
import { allowRelaxedSimd } from './support/relaxed.ts';
import { Inputs, type KernelName, workload } from './support/workload.ts';

allowRelaxedSimd();

describe.each([
  ['simd128', false],
  ['relaxed SIMD', true],
])('every kernel, with %s', (_, relaxed) => {
  // Small: one chunk or few. Large: many.
  it.each([1, 24])('gives the same bits on 1, 2, 3 and 4 threads, at scale %i', async (scale) => {
    let expected: Map<string, Int32Array> | undefined;
    for (const threads of [1, 2, 3, 4]) {
      const backend = await createWasmBackend({ threads, relaxed });
      expect([backend.engine.threads, backend.engine.relaxed]).toEqual([threads, relaxed]);
      // Twice: which thread does what is different each time.
      for (let round = 0; round < (threads === 1 ? 1 : 2); round++) {
        const got = await bitsOf(backend, scale);
        expected ??= got;
        for (const [name, bits] of expected) {
          const other = got.get(name)!;
          if (Buffer.from(bits.buffer).equals(Buffer.from(other.buffer))) continue;
          const i = bits.findIndex((word, i) => word !== other[i]);
          expect.fail(`${name}: element ${i} has other bits on ${threads} threads`);
        }
      }
      expect(backend.liveBuffers!()).toBe(0);
      await backend.close();
    }
  });
});

it('shares the work of every kernel out, where there is enough', async () => {
  const backend = await createWasmBackend({ threads: 2 });
  const run = vi.spyOn(backend.engine, 'run');
  const inputs = new Inputs(backend);
  const alone: string[] = [];
  for (const [name, call] of Object.entries(workload(inputs, 24))) {
    run.mockClear();
    for (const { handle } of call()) backend.free(handle);
    if (!run.mock.calls.some(([, , chunks]) => chunks > 1)) alone.push(name);
  }
  expect(alone).toEqual([]);
  inputs.free();
  await backend.close();
});

it('has every kernel of the contract', async () => {
  const backend = await createWasmBackend({ threads: 1 });
  const table = { ...backend.kernels, ...backend.fused };
  const inputs = new Inputs(backend);
  const names = Object.keys(workload(inputs, 1)) as KernelName[];
  expect(Object.keys(table).sort()).toEqual(names.sort());
  await backend.close();
});
