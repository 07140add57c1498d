import { describe, expect, it } from 'vitest';
import { createWasmBackend } from '../src/index.ts';
import { Inputs, type Outputs, workload } from './support/workload.ts';

const STEPS = 10_000;

describe('a long run', () => {
  it('of all kernels leaves heap and memory as large as they were', async () => {
    const backend = await createWasmBackend({ threads: 2 });
    const { engine } = backend;
    const inputs = new Inputs(backend);
    const calls = Object.values(workload(inputs, 1));
    // Outputs live for a different number of steps, so that the order of blocks keeps changing.
    const waiting: { until: number; outputs: Outputs }[] = [];
    const step = (i: number) => {
      const some = [0, 7, 11].map((skip) => calls[(i + skip) % calls.length]!());
      const outputs = some.flat();
      waiting.push({ until: i + ((i * 7) % 23), outputs });
      for (let j = waiting.length - 1; j >= 0; j--) {
        if (waiting[j]!.until > i) continue;
        for (const { handle } of waiting[j]!.outputs) backend.free(handle);
        waiting.splice(j, 1);
      }
    };
    const settle = () => {
      for (const { outputs } of waiting.splice(0)) {
        for (const { handle } of outputs) backend.free(handle);
      }
    };
    for (let i = 0; i < 1000; i++) step(i);
    settle();
    const before = { ...engine.usage(), memory: engine.memoryBytes };
    for (let i = 0; i < STEPS; i++) step(i);
    settle();
    expect({ ...engine.usage(), memory: engine.memoryBytes }).toEqual(before);
    inputs.free();
    expect(engine.usage()).toMatchObject({ blocks: 0, used: 0 });
    await backend.close();
  });
});
