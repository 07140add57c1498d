import { createReferenceBackend } from '@vq4dit/backend-reference';
import { createTfjsWasmBackend } from '@vq4dit/backend-tfjs';
import { InterruptedError, NonFiniteError, RandomStream, TensorOps } from '@vq4dit/core';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { type ImageTensor, VaeDecoder } from '../src/index.ts';
import { addTile, blendWeights, cutTile, placeTiles, refine } from '../src/tiles.ts';
import { loadFixture, sourceOf } from './support/fixtures.ts';

const backend = await createTfjsWasmBackend();
const ops = new TensorOps(backend);
const TINY = sourceOf(loadFixture('vae-tiny.compvis.safetensors'));
const decoder = await VaeDecoder.load(ops, TINY);
const loaded = ops.memory();
afterAll(() => backend.close());

function latents(n: number, height: number, width: number): ImageTensor {
  const values = new RandomStream(3, 'latents').fillNormal(
    new Float32Array(n * 4 * height * width),
  );
  return { values: values.map((value) => 0.2 * value), shape: [n, 4, height, width] };
}

describe('images', () => {
  it('of a batch are those of single latents, of any size', async () => {
    const both = latents(2, 5, 3);
    const { values, shape } = await decoder.decode(both);
    expect(shape).toEqual([2, 3, 10, 6]);
    for (const i of [0, 1]) {
      const one = { values: both.values.slice(i * 60, (i + 1) * 60), shape: [1, 4, 5, 3] as const };
      const alone = await decoder.decode(one);
      const own = values.slice(i * 180, (i + 1) * 180);
      // The device sums in an order that depends on where its buffers happen to lie.
      expect(largest(alone.values.map((value, at) => value - own[at]!))).toBeLessThan(1e-5);
    }
  });

  it('report their progress to the end', async () => {
    const steps: [number, number][] = [];
    const onProgress = (done: number, total: number) => steps.push([done, total]);
    await decoder.decode(latents(2, 4, 8), { tileSize: 4, overlap: 1, onProgress });
    // Two latents of three tiles; per tile three stages in the middle, three per level, and the last.
    const total = 2 * 3 * (3 + 2 * 3 + 1);
    expect(steps).toEqual(Array.from({ length: total }, (_, i) => [i + 1, total]));
  });

  it('stop where that is asked for, and nothing stays on the device', async () => {
    const controller = new AbortController();
    const onProgress = (done: number) => done === 4 && controller.abort();
    const run = decoder.decode(latents(1, 8, 8), { signal: controller.signal, onProgress });
    await expect(run).rejects.toThrow(InterruptedError);
    expect(ops.memory()).toEqual(loaded);
  });

  it.each([
    [{ scalingFactor: 0 }, /scaling factor must be above 0, not 0/],
    [{ scalingFactor: Number.NaN }, /scaling factor/],
    [{ tileSize: 1 }, /at least 2 latent pixels, not 1/],
    [{ tileSize: 8, overlap: 8 }, /can overlap by 0 to 7, not 8/],
    [{ tileSize: 8, overlap: -1 }, /can overlap by 0 to 7, not -1/],
  ])('are refused for %o', async (options, message) => {
    await expect(decoder.decode(latents(1, 4, 4), options)).rejects.toThrow(message);
  });

  it('are refused for what is no latent', async () => {
    const four = latents(1, 4, 4);
    const three = { values: four.values.slice(16), shape: [1, 3, 4, 4] as const };
    await expect(decoder.decode(three)).rejects.toThrow(/\[1, 3, 4, 4\].* takes 4 channels/);
    const short = { ...four, values: four.values.slice(1) };
    await expect(decoder.decode(short)).rejects.toThrow(/63 values as latents/);
    four.values[7] = Number.POSITIVE_INFINITY;
    await expect(decoder.decode(four)).rejects.toThrow(NonFiniteError);
  });
});

describe('tiles', () => {
  it('cover an axis, overlap as asked, and have weights that add up to 1', () => {
    const cases = fc.record({
      size: fc.integer({ min: 1, max: 100 }),
      tile: fc.integer({ min: 2, max: 40 }),
      overlap: fc.nat(39),
      factor: fc.constantFrom(1, 2, 8),
    });
    fc.assert(
      fc.property(cases, ({ size, tile, overlap, factor }) => {
        fc.pre(overlap < tile);
        const axis = placeTiles(size, tile, overlap);
        const { starts, length } = axis;
        expect(starts[0]).toBe(0);
        expect(starts.at(-1)! + length).toBe(size);
        expect(length).toBe(Math.min(tile, size));
        for (let i = 1; i < starts.length; i++) {
          expect(starts[i]).toBeGreaterThan(starts[i - 1]!);
          expect(starts[i - 1]! + length - starts[i]!).toBeGreaterThanOrEqual(overlap);
        }
        const fine = refine(axis, factor);
        const total = new Float64Array(fine.size);
        for (const [i, weights] of blendWeights(fine).entries()) {
          for (const [at, weight] of weights.entries()) {
            expect(weight).toBeGreaterThan(0);
            total[fine.starts[i]! + at]! += weight;
          }
        }
        // Each weight is rounded to float32 once.
        for (const sum of total) expect(Math.abs(sum - 1)).toBeLessThan(2e-7);
      }),
    );
  });

  it('put together without change give the planes that they were cut from', () => {
    const cases = fc.record({
      height: fc.integer({ min: 1, max: 12 }),
      width: fc.integer({ min: 1, max: 12 }),
      tile: fc.integer({ min: 2, max: 6 }),
      overlap: fc.nat(5),
    });
    fc.assert(
      fc.property(cases, ({ height, width, tile, overlap }) => {
        fc.pre(overlap < tile);
        const values = new RandomStream(1).fillNormal(new Float32Array(2 * height * width));
        const [rows, columns] = [height, width].map((size) => placeTiles(size, tile, overlap));
        const [rowWeights, columnWeights] = [blendWeights(rows!), blendWeights(columns!)];
        const out = { values: new Float32Array(values.length), height, width };
        for (const [i, top] of rows!.starts.entries()) {
          for (const [j, left] of columns!.starts.entries()) {
            const piece = cutTile(
              { values, height, width },
              top,
              left,
              rows!.length,
              columns!.length,
            );
            addTile(out, piece, top, left, rowWeights[i]!, columnWeights[j]!);
          }
        }
        const worst = Math.max(...values.map((value, i) => Math.abs(value - out.values[i]!)));
        expect(worst).toBeLessThan(2e-6); // a few roundings of values up to about 4
      }),
    );
  });

  it('that cover everything change nothing', async () => {
    const exact = new TensorOps(createReferenceBackend());
    using decoder = await VaeDecoder.load(exact, TINY);
    const latent = latents(1, 3, 4);
    const whole = await decoder.decode(latent);
    for (const options of [{ tileSize: 4 }, { tileSize: 100, overlap: 50 }]) {
      expect(await decoder.decode(latent, options)).toEqual(whole);
    }
  });

  it('give an image that is the nearer the larger they are', async () => {
    const latent = latents(1, 24, 24);
    const whole = await decoder.decode(latent);
    const errors: number[] = [];
    for (const tileSize of [8, 12, 16, 20]) {
      const tiled = await decoder.decode(latent, { tileSize });
      expect(tiled.shape).toEqual(whole.shape);
      errors.push(rms(tiled.values.map((v, i) => v - whole.values[i]!)) / rms(whole.values));
    }
    // Measured 0.49, 0.26, 0.15 and 0.10 of the image's own size. Random weights and a latent of
    // noise are the worst case: normalization and attention depend on every pixel of the latent.
    const bounds = [0.55, 0.3, 0.18, 0.12];
    for (const [i, error] of errors.entries()) expect(error).toBeLessThan(bounds[i]!);
    expect(errors).toEqual([...errors].sort((a, b) => b - a));
  });

  it('show no seam where they overlap', async () => {
    const [height, width] = [8, 24];
    const ramp = Float32Array.from({ length: 4 * height * width }, (_, i) => (i % width) / width);
    const latent = { values: ramp, shape: [1, 4, height, width] as const };
    // The largest step between neighbouring columns of the image, in the middle of its height.
    const step = async (tileSize: number, overlap: number) => {
      const { values } = await decoder.decode(latent, { tileSize, overlap });
      const row = values.subarray(height * 2 * width, (height + 1) * 2 * width);
      return largest(row.slice(5, -4).map((value, i) => value - row[i + 4]!));
    };
    const [whole, apart, blended] = [await step(24, 0), await step(12, 0), await step(12, 6)];
    // Measured: 0.29, 1.25 and 0.47.
    expect(apart).toBeGreaterThan(3 * whole);
    expect(blended).toBeLessThan(2 * whole);
  });
});

const largest = (values: Float32Array) => Math.max(...values.map(Math.abs));

const rms = (values: Float32Array) =>
  Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
