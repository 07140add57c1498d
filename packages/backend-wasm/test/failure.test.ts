import { DeviceLostError } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { createWasmBackend, Engine } from '../src/index.ts';
import { startPool } from './support/start-pool.ts';

/** Arguments of the kernel testFail. */
const HOST = 0;
const WORKER = 1;
const TRAP = 0;
const HANG = 1;

/** Everything that uses the engine must say what happened; nothing may hang or compute. */
async function expectLost(engine: Engine, message: RegExp) {
  for (const use of [() => engine.run('testMark', [0, 0, 0], 1), () => engine.allocate(64)]) {
    expect(use).toThrow(DeviceLostError);
    expect(use).toThrow(message);
  }
  expect(() => engine.run('testMark', [0, 0, 0], 8)).toThrow(message);
  await engine.close();
  expect(() => engine.run('testMark', [0, 0, 0], 8)).toThrow(message);
}

describe('a kernel that traps', () => {
  it('on the only thread: the call says which kernel, and so does every later one', async () => {
    const engine = await Engine.create({ threads: 1 });
    expect(() => engine.run('testFail', [HOST, TRAP, 0], 1)).toThrow(
      /kernel testFail.*unreachable/,
    );
    await expectLost(engine, /kernel testFail/);
  });

  it('on the host, while others work', async () => {
    const engine = await Engine.create({ threads: 3 });
    const flag = engine.allocate(4);
    // Whether the host takes a chunk is a race that it may lose, though hardly ever.
    const attempt = () => {
      for (let i = 0; i < 1000; i++) engine.run('testFail', [HOST, TRAP, flag], 64);
    };
    expect(attempt).toThrow(/main thread.*testFail.*unreachable.*VQ4DIT_THREADS=1/);
    await expectLost(engine, /main thread/);
  });

  it('on a worker: the call says which thread and what happened', async () => {
    const engine = await Engine.create({ threads: 2 });
    const flag = engine.allocate(4);
    engine.int32(flag, 1)[0] = 0;
    const attempt = () => engine.run('testFail', [WORKER, TRAP, flag], 64);
    expect(attempt).toThrow(/Worker thread 1 .*testFail.*unreachable.*VQ4DIT_THREADS=1/);
    await expectLost(engine, /Worker thread 1/);
  });
});

describe('a thread that dies', () => {
  it('while idle: later calls say which thread, and that it is gone', async () => {
    const engine = await Engine.create({ threads: 3 });
    const out = engine.allocate(400);
    engine.run('testMark', [out, 0, 100], 100);
    await engine.killThread(2);
    await expectLost(engine, /Worker thread 2 .*gone: it ended with exit code 1/);
  });

  it('at the very moment of a call: the result is right or the call throws', async () => {
    for (let i = 0; i < 5; i++) {
      const engine = await Engine.create({ threads: 2, stallSeconds: 0.3 });
      const out = engine.allocate(4000);
      const dying = engine.killThread(1);
      engine.int32(out, 1000).fill(0);
      try {
        engine.run('testMark', [out, 7, 3000], 1000);
        expect([...engine.int32(out, 1000)]).toEqual(Array.from({ length: 1000 }, (_, j) => j + 7));
      } catch (error) {
        expect(error).toBeInstanceOf(DeviceLostError);
      }
      await dying;
      await expectLost(engine, /Worker thread 1/);
    }
  });

  it('while it computes: the call throws when nothing has moved for a while', async () => {
    const { pool, kernels, exports, memory, heap } = await startPool({
      threads: 2,
      stallSeconds: 0.5,
    });
    const words = new Int32Array(memory.buffer);
    const [args, flag] = [heap, heap + 64];
    words.set([WORKER, HANG, flag], args / 4);
    words[flag / 4] = 0;
    const kill = (address: number, begin: number, end: number) => {
      // Returns when the worker is in its endless loop.
      exports.testFail!(address, begin, end);
      void pool.kill(1);
    };
    const started = performance.now();
    expect(() => pool.run(kernels.indexOf('testFail'), kill, args, 2)).toThrow(
      /Worker thread 1 .*has not finished its part of testFail for 0.5 s.*died or is stuck/,
    );
    // The time is a sum of waits of 100 ms, each of which a busy machine may stretch.
    expect(performance.now() - started).toBeGreaterThan(400);
    expect(() => pool.run(0, kill, args, 2)).toThrow(DeviceLostError);
    await pool.close();
  });

  it('that is stuck: the call throws, and closing still ends it', async () => {
    const engine = await Engine.create({ threads: 2, stallSeconds: 0.3 });
    const flag = engine.allocate(4);
    engine.int32(flag, 1)[0] = 0;
    expect(() => engine.run('testFail', [WORKER, HANG, flag], 2)).toThrow(/died or is stuck/);
    await expectLost(engine, /died or is stuck/);
  });
});

describe('a backend that has failed', () => {
  it('gives no data away', async () => {
    const backend = await createWasmBackend({ threads: 2 });
    const handle = backend.upload(new Float32Array([1, 2]), [2], 'float32');
    await backend.engine.killThread(1);
    const tensor = { handle, shape: [2], dtype: 'float32' } as const;
    await expect(backend.read(tensor)).rejects.toThrow(DeviceLostError);
    await expect(backend.sync()).rejects.toThrow(DeviceLostError);
    expect(() => backend.upload(new Float32Array(1), [1], 'float32')).toThrow(DeviceLostError);
    backend.free(handle);
    await backend.close();
  });
});
