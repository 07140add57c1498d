import { createReferenceBackend } from '@vq4dit/backend-reference';
import { ArgumentError, NonFiniteError, RandomStream, ShapeError, TensorOps } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  frechetDistance,
  inceptionScore,
  kernelDistance,
  precisionRecall,
  psnr,
  StatisticsAccumulator,
  statisticsOf,
} from '../src/index.ts';
import { openGolden } from './support/goldens.ts';

const ops = new TensorOps(createReferenceBackend());
const file = await openGolden('metrics.safetensors');
const expected = Object.fromEntries(
  Object.entries(file.metadata).map(([name, value]) => [name, Number(value)]),
) as Record<string, number>;
const F = 24;
const real = { vectors: await file.readFloat32('real'), features: F };
const fake = { vectors: await file.readFloat32('fake'), features: F };
const logits = await file.readFloat32('logits');

const normal = (seed: number, count: number) =>
  new RandomStream(seed).fillNormal(new Float32Array(count));

describe('goldens of NumPy and SciPy', () => {
  it('Fréchet distance', () => {
    const [a, b] = [statisticsOf(real.vectors, F), statisticsOf(fake.vectors, F)];
    // SciPy takes the root of a product that is not symmetric; both work in float64.
    expect(frechetDistance(a, b) / expected.frechet!).toBeCloseTo(1, 9);
  });

  it('Fréchet distance with singular covariances', () => {
    const few = statisticsOf(fake.vectors.subarray(0, 10 * F), F);
    const distance = frechetDistance(statisticsOf(real.vectors, F), few);
    // Roots of eigenvalues that are zero but for rounding: the square root of the roundoff, 1e-8.
    expect(distance / expected.frechet_few!).toBeCloseTo(1, 5);
  });

  it('precision and recall', async () => {
    const got = await precisionRecall(ops, real, fake, 3);
    expect(got.precision).toBeCloseTo(expected.precision!, 12);
    expect(got.recall).toBeCloseTo(expected.recall!, 12);
  });

  it('kernel distance of whole sets', async () => {
    const all = { vectors: real.vectors.subarray(0, 240 * F), features: F };
    const { mean } = await kernelDistance(ops, all, fake, { subsetSize: 240, subsets: 1 });
    // Products are float32: a relative error of 1e-6, cubed, against terms of 1e2.
    expect(mean).toBeCloseTo(expected.kernel_distance!, 2);
    expect(mean / expected.kernel_distance!).toBeCloseTo(1, 3);
  });

  it('Inception Score', () => {
    expect(inceptionScore(logits, 11).mean).toBeCloseTo(expected.inception_score!, 10);
    const four = inceptionScore(logits, 11, 4);
    expect(four.mean).toBeCloseTo(expected.inception_score_4_mean!, 10);
    expect(four.deviation).toBeCloseTo(expected.inception_score_4_deviation!, 10);
  });
});

describe('statistics', () => {
  it('do not depend on how the vectors are cut into batches', () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 2 }),
        fc.nat(),
        (cuts, seed) => {
          const count = cuts.reduce((a, b) => a + b, 0);
          const vectors = normal(seed, count * 3).map((value) => value + 100);
          const accumulator = new StatisticsAccumulator(3);
          let at = 0;
          for (const size of cuts) {
            accumulator.add(vectors.subarray(3 * at, 3 * (at + size)));
            at += size;
          }
          expect(accumulator.finish()).toEqual(statisticsOf(vectors, 3));
        },
      ),
    );
  });

  it('refuse what gives no covariance', () => {
    expect(() => statisticsOf(new Float32Array(3), 3)).toThrow('needs at least 2 images, got 1');
    expect(() => statisticsOf(new Float32Array(7), 3)).toThrow(ShapeError);
    expect(() => statisticsOf(Float32Array.of(1, 2, Number.NaN, 4), 2)).toThrow(NonFiniteError);
  });
});

describe('Fréchet distance', () => {
  const gaussian = (mean: number[], deviations: number[]) => ({
    mean: Float64Array.from(mean),
    covariance: Float64Array.from({ length: mean.length ** 2 }, (_, i) =>
      i % (mean.length + 1) === 0 ? deviations[i / (mean.length + 1)]! ** 2 : 0,
    ),
  });

  it('is exact for Gaussians that are shifted and stretched along the axes', () => {
    const [a, b] = [gaussian([0, 1, 2], [1, 2, 3]), gaussian([3, 1, -2], [2, 2, 0])];
    // |m1 - m2|^2 = 9 + 16, and the deviations differ by 1, 0 and 3.
    expect(frechetDistance(a, b)).toBeCloseTo(9 + 16 + 1 + 9, 10);
  });

  it('is zero from a set to itself, symmetric, and grows with added noise', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 8 }), fc.nat(), (features, seed) => {
        const count = 20 * features;
        const vectors = normal(seed, count * features);
        const noise = normal(seed + 1, count * features);
        const noisy = (level: number) =>
          statisticsOf(
            vectors.map((value, i) => value + level * noise[i]!),
            features,
          );
        const original = statisticsOf(vectors, features);
        const size = original.covariance.reduce((a, b) => a + Math.abs(b), 0);
        // The root of the roundoff of float64 times the size of the covariance.
        const rounding = 1e-7 * size;
        expect(Math.abs(frechetDistance(original, original))).toBeLessThan(rounding);
        const distances = [0.5, 1, 2].map((level) => frechetDistance(original, noisy(level)));
        expect(distances[0]).toBeGreaterThan(rounding);
        expect(distances[1]).toBeGreaterThan(distances[0]!);
        expect(distances[2]).toBeGreaterThan(distances[1]!);
        const back = frechetDistance(noisy(1), original);
        expect(Math.abs(back - distances[1]!)).toBeLessThan(rounding);
      }),
      { numRuns: 30 },
    );
  });

  it('refuses features of different networks', () => {
    expect(() => frechetDistance(gaussian([0], [1]), gaussian([0, 0], [1, 1]))).toThrow(
      'got 1 and 2; use the reference batch of the same network',
    );
    expect(() => frechetDistance(gaussian([Number.NaN], [1]), gaussian([0], [1]))).toThrow(
      NonFiniteError,
    );
  });
});

describe('the other metrics', () => {
  it('see a set in itself, and nothing in a set far away', async () => {
    const set = { vectors: normal(5, 200), features: 4 };
    expect(await precisionRecall(ops, set, set)).toEqual({ precision: 1, recall: 1 });
    const far = { vectors: set.vectors.map((value) => value + 100), features: 4 };
    expect(await precisionRecall(ops, set, far)).toEqual({ precision: 0, recall: 0 });
    const near = await kernelDistance(ops, set, set, { subsetSize: 40, subsets: 20 });
    const away = await kernelDistance(ops, set, far, { subsetSize: 40, subsets: 20 });
    expect(Math.abs(near.mean)).toBeLessThan(1);
    expect(away.mean).toBeGreaterThan(1000);
  });

  it('score certainty and variety: 1 where all images look alike, the classes where none do', () => {
    const classes = 5;
    const same = new Float32Array(10 * classes).map((_, i) => (i % classes === 2 ? 50 : 0));
    expect(inceptionScore(same, classes).mean).toBeCloseTo(1, 12);
    const each = new Float32Array(10 * classes).map((_, i) =>
      i % classes === Math.floor(i / classes) % classes ? 50 : 0,
    );
    expect(inceptionScore(each, classes).mean).toBeCloseTo(classes, 10);
  });

  it('measure noise in decibels', () => {
    expect(psnr([1, 2], [1, 2], 255)).toBe(Number.POSITIVE_INFINITY);
    expect(psnr([0, 0], [255, 255], 255)).toBeCloseTo(0, 12);
    expect(psnr([0, 0, 0, 0], [2, 0, 0, 0], 2)).toBeCloseTo(10 * Math.log10(4), 12);
    expect(() => psnr([1], [1, 2], 255)).toThrow(ShapeError);
  });

  it('refuse too few images', async () => {
    const three = { vectors: normal(1, 6), features: 2 };
    await expect(precisionRecall(ops, three, three)).rejects.toThrow('more than 3 images');
    const one = { vectors: normal(1, 2), features: 2 };
    await expect(kernelDistance(ops, one, one)).rejects.toThrow(ArgumentError);
    expect(() => inceptionScore(new Float32Array(10), 5, 3)).toThrow(ArgumentError);
  });
});
