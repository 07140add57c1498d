import { runConformance } from '@vq4dit/conformance';
import { type Backend, TensorOps } from '@vq4dit/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  createTfjsBackend,
  createTfjsNodeBackend,
  createTfjsNodeGpuBackend,
} from '../src/index.ts';
import { measurePrecision } from '../src/native/instances.ts';
import { loadNative } from '../src/native/package.ts';
import { wave } from './support/devices.ts';
import { whereNativeRuns } from './support/native.ts';
import { withRoundedProducts } from './support/rounded.ts';

whereNativeRuns('tfjs-node', 'native TensorFlow', () => {
  describe('tfjs-node', () => {
    let backend: Backend;
    beforeAll(async () => {
      backend = await createTfjsNodeBackend();
    });
    afterAll(() => backend.close());

    it('states the processor, the version of TensorFlow and its precision', () => {
      const { device, isGpu, precision, versions } = backend.info();
      expect(device).toMatch(/^\S.* \(native TensorFlow \d+\.\d+\.\d+\), TensorFlow\.js$/);
      expect(versions.tensorflow).toMatch(/^\d+\.\d+/);
      expect({ isGpu, precision }).toEqual({ isGpu: false, precision: 'f32' });
    });

    it('has switched TF32 off before TensorFlow was loaded', () => {
      expect(process.env).toMatchObject({
        NVIDIA_TF32_OVERRIDE: '0',
        TF_FORCE_GPU_ALLOW_GROWTH: 'true',
      });
    });

    it('does not load a second TensorFlow into the process', async () => {
      await expect(createTfjsNodeGpuBackend()).rejects.toThrow(
        /@tensorflow\/tfjs-node-gpu (is not installed|cannot be loaded into a process that has @tensorflow\/tfjs-node;)/,
      );
    });

    it('leaves tensors and memory where they were', async () => {
      const ops = new TensorOps(backend);
      const x = ops.tensor(wave(512 * 512), [512, 512]);
      const step = () =>
        ops.scope(async (s) => void (await s.read(s.sum(s.tanh(s.matmul(x, x)), 0))));
      for (let i = 0; i < 20; i++) await step();
      const live = backend.liveBuffers!();
      // A hundred steps make 200 MiB of tensors. In some processes memory grows for a few hundred steps
      // before freed tensors come back to use, 800 MiB at most were seen; what is never freed would show
      // in every stretch.
      const stretches: number[] = [];
      while (stretches.length < 15 && !(Math.min(...stretches) < 20)) {
        const before = process.memoryUsage.rss();
        for (let i = 0; i < 100; i++) await step();
        expect(backend.liveBuffers!()).toBe(live);
        stretches.push((process.memoryUsage.rss() - before) / 2 ** 20);
      }
      expect(Math.min(...stretches), stretches.join(' ')).toBeLessThan(20);
      x.dispose();
    });
  });

  describe('products with rounded inputs', () => {
    const rounded = () => withRoundedProducts(loadNative('@tensorflow/tfjs-node', false));

    it('are noticed at the start, and refused where nobody asked for them', async () => {
      await expect(measurePrecision(rounded(), false)).rejects.toThrow(
        /rounds the inputs of products to TF32 or less/,
      );
      expect(await measurePrecision(rounded(), true)).toBe('tf32');
      const exact = loadNative('@tensorflow/tfjs-node', false);
      expect(await measurePrecision(exact, false)).toBe('f32');
    });

    it('do not pass the conformance kit as float32, and pass it as TF32', async () => {
      const create = (precision: 'f32' | 'tf32') => () =>
        createTfjsBackend({ tf: rounded(), backendName: 'tensorflow', precision });
      const options = { only: 'matmul*', flushesDenormals: true };
      const asFloat32 = await runConformance(create('f32'), options);
      expect(asFloat32.ok).toBe(false);
      expect(asFloat32.counts.failed).toBeGreaterThan(0);
      const asTf32 = await runConformance(create('tf32'), options);
      expect(asTf32.results.filter(({ status }) => status === 'failed')).toEqual([]);
      expect(asTf32.counts.passed).toBe(asFloat32.results.length);
    });
  });
});
