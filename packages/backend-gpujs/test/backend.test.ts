import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { createReferenceBackend } from '@vq4dit/backend-reference';
import {
  attention,
  type Backend,
  DeviceLostError,
  linear,
  OutOfDeviceMemoryError,
  TensorOps,
  UnsupportedOpError,
} from '@vq4dit/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Gpu, WebGl } from '../src/gpu-js.ts';
import { createGpujsBackend, createHeadlessGpujsBackend, type GpuClass } from '../src/index.ts';
import { lastOfLarge } from './support/large.ts';
import { loadGpu, whereHeadlessGlRuns } from './support/native.ts';

/** Vitest does not start processes with `--expose-gc`. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  (runInNewContext('gc') as () => void)();
}

/** Smooth numbers that no two neighbours share. */
const wave = (size: number, step = 0.7) =>
  Float32Array.from({ length: size }, (_, i) => Math.sin(step * i) + i / size);

whereHeadlessGlRuns('gpujs-headlessgl', (folder) => {
  const GPU = loadGpu(folder);

  /** A backend whose instance of gpu.js the test can see. */
  async function watched(options: { programLimit?: number } = {}) {
    let gpu: Gpu | undefined;
    class Watched extends GPU {
      constructor(settings: ConstructorParameters<GpuClass>[0]) {
        super(settings);
        gpu = this;
      }
    }
    const backend = await createGpujsBackend({ GPU: Watched, mode: 'headlessgl', ...options });
    return { backend, ops: new TensorOps(backend), gl: gpu!.context, gpu: gpu! };
  }

  describe('tensors', () => {
    let backend: Backend;
    let ops: TensorOps;
    const reference = new TensorOps(createReferenceBackend());

    beforeAll(async () => {
      backend = await createHeadlessGpujsBackend();
      ops = new TensorOps(backend);
    });
    afterAll(() => backend.close());

    const values = {
      x: wave(32 * 128),
      weight: wave(3 * 128 * 128, 1.3),
      bias: wave(384, 0.3),
    };

    /** A few layers: everything a model does, small. */
    const forward = (on: TensorOps) =>
      on.scope(async (s) => {
        const x = s.tensor(values.x, [2, 16, 128]);
        const weight = s.tensor(values.weight, [384, 128]);
        const bias = s.tensor(values.bias, [384]);
        const qkv = s.reshape(linear(s, x, weight, { bias }), [2, 16, 3, 2, 64]);
        const heads = s.permute(qkv, [2, 0, 3, 1, 4]); // [3, B, H, T, d]
        const [q, k, v] = [0, 1, 2].map((i) =>
          s.reshape(s.slice(heads, [i, 0, 0, 0, 0], [1, 2, 2, 16, 64]), [2, 2, 16, 64]),
        );
        return s.read(attention(s, q!, k!, v!));
      });

    it('are where they were after 1,000 forward passes, and so is memory', async () => {
      const passes = async (count: number) => {
        for (let i = 0; i < count; i++) await forward(ops);
        collectGarbage();
        return process.memoryUsage().rss;
      };
      await passes(100);
      const buffers = backend.liveBuffers!();
      const half = await passes(500);
      const whole = await passes(500);
      expect(backend.liveBuffers!()).toBe(buffers);
      expect(ops.memory().liveTensors).toBe(0);
      // The weights of every pass, kept, would be 96 MiB; the heap of JavaScript moves by some.
      expect(whole - half).toBeLessThan(32 * 2 ** 20);
    }, 120_000);

    it('have the values of the reference', async () => {
      const [got, want] = [await forward(ops), await forward(reference)];
      const worst = got.reduce((most, x, i) => Math.max(most, Math.abs(x - want[i]!)), 0);
      // Products of 128 terms up to 4, and their exponentials: 128 roundings of 2^-24 of 512.
      expect(worst).toBeLessThan(128 * 512 * 2 ** -24);
    });

    it('hold NaN, infinities, -0, denormals and the extremes of int32', async () => {
      const floats = Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, -0, 1e-45, -3.4e38);
      const ints = Int32Array.of(2 ** 31 - 1, -(2 ** 31), 16777217, -16777217, 0);
      await ops.scope(async (s) => {
        const x = s.tensor(floats, [5]);
        const i = s.indices(ints, [5]);
        const before = backend.liveBuffers!();
        const moved = s.permute(s.reshape(i, [5, 1]), [1, 0]);
        expect(backend.liveBuffers!()).toBe(before + 1);
        expect(await s.read(x)).toEqual(floats);
        expect(await s.readIndices(moved)).toEqual(ints);
        const small = s.indices([7, -7, 2 ** 24], [3]);
        expect(await s.readIndices(s.concat([small, i, small], 0))).toEqual(
          Int32Array.of(7, -7, 2 ** 24, ...ints, 7, -7, 2 ** 24),
        );
        expect(await s.read(s.slice(x, [1], [4]))).toEqual(floats.slice(1));
      });
      expect(ops.memory().liveTensors).toBe(0);
    });

    it('join by the dozen', async () => {
      await ops.scope(async (s) => {
        const parts = Array.from({ length: 30 }, (_, i) => s.fill([2, 1 + (i % 3)], i));
        const joined = await s.read(s.concat(parts, 1));
        const row = parts.flatMap((x, i) => Array<number>(x.shape[1]!).fill(i));
        expect([...joined]).toEqual([...row, ...row]);
      });
    });

    it('take any number of codewords, without naming one twice', async () => {
      const run = (on: TensorOps) =>
        on.scope(async (s) => {
          const x = s.tensor(wave(9 * 3), [9, 3]);
          const codebook = s.tensor(wave(11 * 3, 1.7), [11, 3]);
          return s.readIndices(s.nearest(x, codebook, 11).indices);
        });
      expect(await run(ops)).toEqual(await run(reference));
    });

    it('reach their last element where numbers are beyond what float32 counts', async () => {
      expect(await lastOfLarge(ops)).toEqual([]);
    }, 60_000);

    it('are refused where no texture can hold them', () => {
      const query = { op: 'upload', shapes: [[2 ** 14, 2 ** 13]], dtypes: ['float32'] } as const;
      expect(backend.supports!(query)).toHaveProperty('reason');
      const square = ops.fill([2 ** 14, 1], 1);
      const row = ops.fill([1, 2 ** 13], 1);
      expect(() => ops.mul(square, row)).toThrow(UnsupportedOpError);
      square.dispose();
      row.dispose();
    });

    it('are refused as rows that float32 cannot count', () => {
      const shapes = [[2 ** 24 + 1, 1], [1]];
      const query = { op: 'gatherRows', shapes, dtypes: ['float32', 'int32'] } as const;
      expect(backend.supports!(query)).toHaveProperty('reason');
    });
  });

  describe('the device', () => {
    it('is named, with its driver', async () => {
      const { backend } = await watched();
      const { device, isGpu, precision } = backend.info();
      expect(device).toMatch(/WebGL 1 by gpu\.js \(HeadlessGLKernel\), (software|hardware): /);
      expect(isGpu).toBe(device.includes('hardware'));
      expect(precision).toBe('f32');
      await backend.close();
      const headless = await createHeadlessGpujsBackend();
      expect(Object.keys(headless.info().versions)).toEqual(['gpu.js', 'gl']);
      await headless.close();
    });

    it('compiles a kernel once for all shapes of a class', async () => {
      const { ops, gpu } = await watched();
      let compiled = 0;
      const compile = gpu.createKernel.bind(gpu);
      gpu.createKernel = (...args) => {
        compiled++;
        return compile(...args);
      };
      for (let n = 1; n < 200; n++) {
        ops.scope((s) => {
          s.exp(s.fill([n], 1));
          s.matmul(s.fill([n, 4], 1), s.fill([8, 4], 1), { transposeB: true });
        });
      }
      expect(compiled).toBe(2);
      await ops.backend.close();
    });

    it('keeps so many kernels and no more, and what they made', async () => {
      const { backend, ops } = await watched({ programLimit: 2 });
      const x = ops.tensor([1, 4, 9], [3]);
      const outputs = (['sqrt', 'neg', 'square', 'exp', 'sqrt'] as const).map((op) =>
        ops.unary(op, x),
      );
      const before = backend.liveBuffers!();
      const read = await Promise.all(outputs.map((y) => ops.read(y)));
      expect(read.map((values) => values[1])).toEqual([2, -4, 16, expect.closeTo(54.6, 1), 2]);
      for (const y of outputs) y.dispose();
      expect(before - backend.liveBuffers!()).toBe(5);
      x.dispose();
      await backend.close();
    });

    it('is not shared: two backends work side by side', async () => {
      const all = [await watched(), await watched()];
      const xs = all.map(({ ops }, i) => ops.fill([5], i + 1));
      const ys = all.map(({ ops }, i) => ops.add(xs[i]!, xs[i]!));
      for (const [i, { ops }] of all.entries()) expect((await ops.read(ys[i]!))[4]).toBe(2 * i + 2);
      await all[0]!.backend.close();
      expect((await all[1]!.ops.read(ys[1]!))[0]).toBe(4);
      await all[1]!.backend.close();
    });
  });

  describe('faults', () => {
    it('never runs a kernel on the processor', async () => {
      class Fallback extends GPU {
        override createKernel(...args: Parameters<Gpu['createKernel']>) {
          const call = super.createKernel(...args);
          const build = call.build.bind(call);
          call.build = (...values) => {
            build(...values);
            Object.assign(call, { kernel: { constructor: class CPUKernel {} } });
          };
          return call;
        }
      }
      await expect(createGpujsBackend({ GPU: Fallback, mode: 'headlessgl' })).rejects.toThrow(
        /gpu\.js moved the kernel "probe" from HeadlessGLKernel to CPUKernel/,
      );
    });

    it('does not start in another mode than it was asked for', async () => {
      await expect(createGpujsBackend({ GPU, mode: 'webgl2' })).rejects.toThrow(
        /BackendUnavailableError|WebGL 2 is not available here/,
      );
      class Elsewhere {
        readonly Kernel = class WebAssemblyKernel {};
      }
      const Other = Elsewhere as unknown as GpuClass;
      await expect(createGpujsBackend({ GPU: Other, mode: 'headlessgl' })).rejects.toThrow(
        /asked for HeadlessGLKernel and gave WebAssemblyKernel/,
      );
    });

    it('names what a driver reports, and leaves nothing behind', async () => {
      const { backend, ops, gl } = await watched();
      const before = backend.liveBuffers!();
      const report = (error: number) => {
        (gl as { getError: WebGl['getError'] }).getError = () => error;
      };
      report(gl.OUT_OF_MEMORY);
      expect(() => ops.fill([2 ** 22], 1)).toThrow(OutOfDeviceMemoryError);
      report(gl.NO_ERROR);
      expect(backend.liveBuffers!()).toBe(before);
      const x = ops.fill([4], 1);
      report(0x502);
      await expect(ops.read(x)).rejects.toThrow(/DeviceLostError|error 0x502/);
      report(gl.NO_ERROR);
      await backend.close();
    });

    it('says that the context is lost', async () => {
      const { ops, gl } = await watched();
      const x = ops.fill([4], 1);
      (gl as { isContextLost: WebGl['isContextLost'] }).isContextLost = () => true;
      await expect(ops.read(x)).rejects.toThrow(DeviceLostError);
      expect(() => ops.exp(x)).toThrow(DeviceLostError);
      expect(() => ops.fill([1], 1)).toThrow(DeviceLostError);
    });
  });
});
