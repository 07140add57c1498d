import { createReferenceBackend } from '@vq4dit/backend-reference';
import { attention, linear, softmax, TensorOps } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { createTfjsBackend } from '../src/index.ts';
import { load } from '../src/instances.ts';
import { DEVICES, tf, wave } from './support/devices.ts';

/** Largest absolute difference. */
function difference(a: Float32Array, b: Float32Array): number {
  return a.reduce((most, x, i) => Math.max(most, Math.abs(x - b[i]!)), 0);
}

/** A few layers: everything a model does, small. */
async function forward(ops: TensorOps): Promise<Float32Array> {
  return ops.scope(async (s) => {
    const x = s.tensor(wave(2 * 9 * 8), [2, 9, 8]);
    const weight = s.tensor(wave(24 * 8, 1.3), [24, 8]);
    const bias = s.tensor(wave(24, 0.3), [24]);
    const qkv = s.reshape(linear(s, x, weight, { bias }), [2, 9, 3, 2, 4]);
    const heads = s.permute(qkv, [2, 0, 3, 1, 4]); // [3, B, H, T, d]
    const [q, k, v] = [0, 1, 2].map((i) =>
      s.reshape(s.slice(heads, [i, 0, 0, 0, 0], [1, 2, 2, 9, 4]), [2, 2, 9, 4]),
    );
    return s.read(attention(s, q!, k!, v!));
  });
}

describe.each(Object.entries(DEVICES))('%s', (_, create) => {
  it('frees every buffer, also those of temporaries', async () => {
    const backend = await create();
    const ops = new TensorOps(backend);
    const before = backend.liveBuffers!();
    for (let i = 0; i < 3; i++) await forward(ops);
    expect(backend.liveBuffers!()).toBe(before);
    expect(ops.memory().liveTensors).toBe(0);
  });

  it('keeps what was uploaded apart from the array it came from, and from what is read', async () => {
    const ops = new TensorOps(await create());
    const source = Float32Array.of(1, 2, 3);
    const x = ops.tensor(source, [3]);
    source[0] = 9;
    (await ops.read(x))[1] = 9;
    expect(await ops.read(x)).toEqual(Float32Array.of(1, 2, 3));
    x.dispose();
  });

  it('carries NaN, infinities, -0 and the extremes of int32 through', async () => {
    const ops = new TensorOps(await create());
    const floats = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, -0, 1e-45, -3.4e38);
    const ints = Int32Array.of(2 ** 31 - 1, -(2 ** 31), 16777217);
    const x = ops.tensor(floats, [5]);
    const i = ops.indices(ints, [3]);
    expect(await ops.read(x)).toEqual(floats);
    expect(await ops.readIndices(i)).toEqual(ints);
    const pair = ops.concat([i, i], 0);
    expect(await ops.readIndices(pair)).toEqual(Int32Array.of(...ints, ...ints));
    for (const tensor of [x, i, pair]) tensor.dispose();
  });

  it('never lets NaN win argmin, and ties go to the lowest index', async () => {
    const ops = new TensorOps(await create());
    const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
    const rows = [nan, 2, 1, 3, 1, 1, nan, nan, nan, nan, inf, 5];
    const x = ops.tensor(rows, [4, 3]);
    const index = ops.argmin(x);
    expect(await ops.readIndices(index)).toEqual(Int32Array.of(2, 1, 0, 2));
    x.dispose();
    index.dispose();
  });

  it('multiplies one buffer in two shapes', async () => {
    const backend = await create();
    const reference = new TensorOps(createReferenceBackend());
    const both = async (ops: TensorOps) =>
      ops.scope(async (s) => {
        const b = s.tensor(wave(64 * 96), [64, 96]);
        const a = s.tensor(wave(50 * 96, 1.1), [50, 96]);
        const reshaped = s.reshape(b, [96, 64]);
        const products = [
          s.matmul(s.slice(a, [0, 0], [50, 64]), b),
          s.matmul(a, reshaped),
          s.matmul(a, b, { transposeB: true }),
          s.matmul(s.slice(a, [0, 0], [50, 64]), reshaped, { transposeB: true }),
          s.matmul(a, b, { transposeB: true }),
          s.matmul(s.slice(a, [0, 0], [50, 64]), reshaped, { transposeB: true }),
        ];
        return Promise.all(products.map((x) => s.read(x)));
      });
    const [got, want] = [await both(new TensorOps(backend)), await both(reference)];
    // 96 products of magnitude 1: n u = 96 * 2^-24 = 6e-6 times their sum, which is below 96.
    for (const [i, x] of got.entries()) expect(difference(x, want[i]!)).toBeLessThan(6e-4);
  });

  it.each([
    [1, 1, 200, 150],
    [1, 8, 96, 200],
    [1, 40, 64, 56],
    [3, 20, 48, 30],
    [2, 3, 4, 5],
  ])('matches the reference in products of batch %i, %i x %i x %i', async (batch, m, k, n) => {
    const backend = new TensorOps(await create());
    const reference = new TensorOps(createReferenceBackend());
    for (const transposeA of [false, true]) {
      for (const transposeB of [false, true]) {
        const product = (ops: TensorOps) =>
          ops.scope(async (s) => {
            const a = s.tensor(wave(batch * m * k), transposeA ? [batch, k, m] : [batch, m, k]);
            const b = s.tensor(
              wave(batch * k * n, 1.9),
              transposeB ? [batch, n, k] : [batch, k, n],
            );
            return s.read(s.matmul(a, b, { transposeA, transposeB }));
          });
        const [got, want] = [await product(backend), await product(reference)];
        expect(difference(got, want)).toBeLessThan(k * k * 2 ** -24);
      }
    }
  });

  it('moves tensors of many axes', async () => {
    const backend = new TensorOps(await create());
    const reference = new TensorOps(createReferenceBackend());
    const shape = [2, 1, 3, 2, 1, 2, 3, 2];
    const size = 2 * 3 * 2 * 2 * 3 * 2;
    const move = (ops: TensorOps) =>
      ops.scope(async (s) => {
        const x = s.tensor(wave(size), shape);
        const y = s.tensor(wave(12), [3, 1, 1, 2, 1, 2]);
        const out = [
          s.permute(x, [7, 0, 2, 1, 3, 6, 4, 5]),
          s.permute(x, [0, 1, 2, 4, 3, 5, 6, 7]),
          s.slice(x, [1, 0, 1, 0, 0, 1, 1, 0], [1, 1, 2, 2, 1, 1, 2, 2]),
          s.concat([x, s.neg(x), x], 5),
          s.maximum(x, y),
          s.mul(x, y),
        ];
        return Promise.all(out.map((t) => s.read(t)));
      });
    const [got, want] = [await move(backend), await move(reference)];
    for (const [i, x] of got.entries()) expect(x).toEqual(want[i]);
  });

  it('agrees with its own fused kernels', async () => {
    const backend = await create();
    const run = (fused: boolean) =>
      new TensorOps(backend, { fused }).scope(async (s) =>
        s.read(softmax(s, s.tensor(wave(60), [5, 12]))),
      );
    expect(difference(await run(true), await run(false))).toBeLessThan(1e-6);
  });
});

describe('two backends in one process', () => {
  it('work side by side, call by call', async () => {
    const reference = await forward(new TensorOps(createReferenceBackend()));
    const all = await Promise.all(
      Object.values(DEVICES).map(async (create) => new TensorOps(await create())),
    );
    // One promise each: their kernels interleave at every read.
    const results = await Promise.all(all.map((ops) => forward(ops)));
    for (const result of results) expect(difference(result, reference)).toBeLessThan(1e-5);

    const tensors = all.map((ops) => ops.tensor(wave(8), [8]));
    const sums = all.map((ops, i) => ops.add(tensors[i]!, tensors[i]!));
    const twice = wave(8).map((x) => 2 * x);
    for (const [i, ops] of all.entries()) {
      expect(await ops.read(sums[i]!)).toEqual(twice);
      tensors[i]!.dispose();
      sums[i]!.dispose();
    }
  });

  it('leave the current backend of TensorFlow.js to others', async () => {
    const ops = new TensorOps(await DEVICES['tfjs-wasm']!());
    await tf.setBackend('cpu');
    const x = ops.tensor(wave(4), [4]);
    const y = ops.exp(x);
    expect(tf.getBackend()).toBe('cpu');
    expect(difference(await ops.read(y), wave(4).map(Math.exp))).toBeLessThan(1e-6);
    x.dispose();
    y.dispose();
  });
});

describe('info and refusals', () => {
  it('says what really runs', async () => {
    const wasm = (await DEVICES['tfjs-wasm']!()).info();
    expect(wasm.device).toMatch(/WebAssembly, SIMD, 1 thread/);
    expect(wasm.versions['tfjs-core']).toBe(tf.version_core);
    const cpu = (await DEVICES['tfjs-cpu']!()).info();
    expect(cpu.device).toMatch(/JavaScript, 1 thread/);
    expect([wasm.isGpu, cpu.isGpu]).toEqual([false, false]);
  });

  it('names the backend that TensorFlow.js does not have', async () => {
    await expect(createTfjsBackend({ tf, backendName: 'webgl' })).rejects.toThrow(
      /cannot start its backend "webgl"/,
    );
  });

  it('names the package that is missing, and how to install it', async () => {
    const missing = () => Promise.reject(new Error("Cannot find package '@tensorflow/x'"));
    await expect(load('@tensorflow/x', missing)).rejects.toThrow(
      /"@tensorflow\/x" cannot be loaded; install it with "npm install/,
    );
  });

  it('refuses tensors beyond the WebAssembly heap before they are made', async () => {
    const backend = await DEVICES['tfjs-wasm']!();
    const shapes = [[2 ** 15, 2 ** 14]];
    expect(backend.supports!({ op: 'upload', shapes, dtypes: ['float32'] })).toHaveProperty(
      'reason',
    );
  });
});
