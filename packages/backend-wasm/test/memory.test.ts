import { freemem } from 'node:os';
import { OutOfDeviceMemoryError } from '@vq4dit/core';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { createWasmBackend, Engine } from '../src/index.ts';
import { web } from '../src/web.ts';

const MIB = 2 ** 20;

afterEach(() => vi.unstubAllGlobals());

describe.each([1, 2])('the memory of an engine with %i threads', (threads) => {
  it('keeps what is in it when it grows', async () => {
    const engine = await Engine.create({ threads });
    const first = engine.allocate(4 * 1000);
    engine.float32(first, 1000).set(Float32Array.from({ length: 1000 }, (_, i) => i));
    const before = engine.memoryBytes;
    const second = engine.allocate(200 * MIB);
    expect(engine.memoryBytes).toBeGreaterThan(before + 150 * MIB);
    expect([...engine.float32(first, 1000).subarray(990)]).toEqual(
      Array.from({ length: 10 }, (_, i) => 990 + i),
    );
    // Arguments and results still reach the kernels.
    engine.int32(second, 100).fill(0);
    engine.run('testMark', [second, 5, 0], 100);
    expect(engine.int32(second, 100)[99]).toBe(104);
    await engine.close();
  });

  it('that cannot grow further says how full it is, and stays usable', async () => {
    const engine = await Engine.create({ threads, maximumPages: 2048 });
    expect(engine.maximumBytes).toBe(128 * MIB);
    const small = engine.allocate(4 * 100);
    const block = engine.allocate(60 * MIB);
    const attempt = () => engine.allocate(80 * MIB);
    expect(attempt).toThrow(OutOfDeviceMemoryError);
    expect(attempt).toThrow(
      /no room for 80 MiB: 60 MiB are in use by 2 tensors, and of at most 128 MiB the largest free stretch has 6\d MiB/,
    );
    engine.int32(small, 100).fill(0);
    engine.run('testMark', [small, 1, 0], 100);
    expect(engine.int32(small, 100)[0]).toBe(1);
    engine.free(block);
    engine.allocate(100 * MIB);
    await engine.close();
  });

  it('can be filled to the last byte', async () => {
    const engine = await Engine.create({ threads, maximumPages: 2048 });
    const block = engine.allocate(engine.capacity);
    expect(engine.memoryBytes).toBe(128 * MIB);
    expect(() => engine.allocate(1)).toThrow(OutOfDeviceMemoryError);
    engine.free(block);
    await engine.close();
  });

  // Addresses are reserved, not touched: the test takes little memory.
  it.skipIf(freemem() < 512 * MIB)('reaches beyond 2 GiB', async () => {
    const engine = await Engine.create({ threads });
    const block = engine.allocate(3 * 1024 * MIB);
    const out = engine.allocate(4 * 1000);
    expect(out).toBeGreaterThan(2 ** 31);
    engine.int32(out, 1000).fill(0);
    engine.run('testMark', [out, -500, 1], 1000);
    expect([...engine.int32(out, 1000)]).toEqual(Array.from({ length: 1000 }, (_, i) => i - 500));
    engine.free(block);
    engine.free(out);
    await engine.close();
  });
});

describe('an engine that reserves less than 4 GiB', () => {
  it('is taken at what it gives, which info() tells', async () => {
    stubMemory(16384);
    const backend = await createWasmBackend({ threads: 1 });
    expect(backend.engine.maximumBytes).toBe(1024 * MIB);
    expect(backend.info().device).toContain('at most 1024 MiB');
    const support = backend.supports?.({ op: 'upload', shapes: [[2 ** 28]], dtypes: ['float32'] });
    expect(support).toMatchObject({ reason: expect.stringMatching(/does not fit into 1.0 GiB/) });
    await backend.close();
  });

  it('that reserves nothing is not available', async () => {
    stubMemory(0);
    await expect(createWasmBackend({ threads: 1 })).rejects.toThrow(/cannot reserve memory/);
  });
});

describe('a tensor', () => {
  it('is 64-byte aligned, counted while it lives, and a copy when it is read', async () => {
    const backend = await createWasmBackend({ threads: 1 });
    const before = backend.liveBuffers!();
    const data = new Float32Array([1, 2, 3]);
    const handle = backend.upload(data, [3], 'float32');
    expect(handle % 64).toBe(0);
    expect(backend.liveBuffers!()).toBe(before + 1);
    data.fill(9);
    const tensor = { handle, shape: [3], dtype: 'float32' } as const;
    const read = await backend.read(tensor);
    expect([...read]).toEqual([1, 2, 3]);
    expect(read.buffer).toBeInstanceOf(ArrayBuffer);
    read.fill(7);
    expect([...(await backend.read(tensor))]).toEqual([1, 2, 3]);
    backend.free(handle);
    expect(backend.liveBuffers!()).toBe(before);
    await backend.close();
  });
});

/** Makes this JavaScript engine reserve no more than so many pages. */
function stubMemory(most: number): void {
  const { Memory, compile, instantiate, validate } = web.WebAssembly!;
  const LimitedMemory = new Proxy(Memory, {
    construct(target, [options]: [{ initial: number; maximum: number }]) {
      if (options.maximum > most) throw new RangeError('could not allocate memory');
      return new target(options);
    },
  });
  vi.stubGlobal('WebAssembly', { Memory: LimitedMemory, compile, instantiate, validate });
}
