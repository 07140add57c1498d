import { linear, TensorOps } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { DirectDevice } from '../src/direct-device.ts';
import { createTfjsBackend, type TensorInfo } from '../src/index.ts';
import { tf, wave } from './support/devices.ts';

/** Bytes of the WebAssembly heap: it only ever grows. */
function heapBytes(): number {
  const { wasm } = tf.findBackend('wasm') as unknown as { wasm: { HEAPU8: Uint8Array } };
  return wasm.HEAPU8.byteLength;
}

const create = (weightCacheBytes?: number) =>
  createTfjsBackend({
    tf,
    backendName: 'wasm',
    ...(weightCacheBytes === undefined ? {} : { weightCacheBytes }),
  });

describe('the WebAssembly heap', () => {
  it('does not grow over thousands of products with ever new weights', async () => {
    const ops = new TensorOps(await create());
    const x = ops.tensor(wave(32 * 64), [32, 64]);
    const values = wave(256 * 64);
    const step = () =>
      ops.scope((s) => {
        const weight = s.tensor(values, [256, 64]);
        linear(s, x, weight);
        linear(s, x, weight); // The second use keeps a transposed copy with the weight.
        s.matmul(x, s.reshape(weight, [64, 256]));
      });
    for (let i = 0; i < 100; i++) step();
    const before = heapBytes();
    // 1000 times 64 KiB, three copies of each: 187 MiB if anything of it stayed.
    for (let i = 0; i < 1000; i++) step();
    expect(heapBytes()).toBe(before);
    x.dispose();
  });

  it('keeps a transposed copy of a weight that is used again, and frees it with the weight', async () => {
    const backend = await create();
    const ops = new TensorOps(backend);
    const x = ops.tensor(wave(64 * 64), [64, 64]);
    const before = backend.liveBuffers!();
    const weight = ops.tensor(wave(64 * 64), [64, 64]);
    const live: number[] = [];
    for (let i = 0; i < 3; i++) {
      linear(ops, x, weight).dispose();
      live.push(backend.liveBuffers!() - before);
    }
    expect(live).toEqual([1, 2, 2]);
    weight.dispose();
    expect(backend.liveBuffers!()).toBe(before);
    x.dispose();
  });

  it('keeps no copies beyond the limit, and none after close', async () => {
    const limited = await create(64 * 64 * 4);
    const ops = new TensorOps(limited);
    const x = ops.tensor(wave(64 * 64), [64, 64]);
    const weights = [0, 1].map(() => ops.tensor(wave(64 * 64), [64, 64]));
    const before = limited.liveBuffers!();
    for (let i = 0; i < 3; i++) for (const weight of weights) linear(ops, x, weight).dispose();
    expect(limited.liveBuffers!() - before).toBe(1);
    await limited.close();
    expect(limited.liveBuffers!()).toBe(before);
    for (const tensor of [x, ...weights]) tensor.dispose();
  });

  it('says that it is full instead of writing to address 0', async () => {
    await create();
    // The device alone: memory that is only reserved costs the machine nothing.
    const { host } = new DirectDevice(tf, 'wasm');
    const made: TensorInfo[] = [];
    expect(() => {
      for (let i = 0; i < 5; i++) made.push(host.allocate([2 ** 28], 'float32')); // 1 GiB of 4
    }).toThrow(/The WebAssembly heap has no room for a tensor of shape \[268435456\]/);
    expect(made.length).toBeGreaterThan(0);
  });
});
