import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, InterruptedError, NonFiniteError, ShapeError } from '../src/errors.ts';
import { nearestCodewords } from '../src/host/nearest.ts';
import { candidateSets } from '../src/quantization/candidates.ts';
import { kmeans } from '../src/quantization/kmeans.ts';
import { initialLogits, type RatioStart, ratiosOf } from '../src/quantization/ratios.ts';
import { RandomStream } from '../src/random/index.ts';

const gaussian = (count: number, seed = 1) =>
  new RandomStream(seed).fillNormal(new Float32Array(count));

describe('candidate sets', () => {
  it('are different, sorted, start with the assignment and are the nearest', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(1, 2, 3, 4, 8),
        fc.integer({ min: 4, max: 300 }),
        fc.integer({ min: 1, max: 4 }),
        fc.nat(),
        async (dimension, rows, n, seed) => {
          // Rounded values make equal distances.
          const data = gaussian(rows * dimension, seed).map((v) => Math.round(v * 4) / 4);
          const k = 4 + (seed % (rows - 3));
          const { codebook, assignments } = await kmeans({ data, dimension, k, random: seed });
          const sets = await candidateSets({ data, dimension, codebook, n });
          for (let i = 0; i < rows; i++) {
            const indices = [...sets.indices.subarray(i * n, (i + 1) * n)];
            const distances = [...sets.distances.subarray(i * n, (i + 1) * n)];
            expect(new Set(indices).size).toBe(n);
            expect(indices[0]).toBe(assignments[i]);
            expect(distances).toEqual([...distances].sort((a, b) => a - b));
          }
          const all = nearestCodewords(data, codebook, dimension, n);
          expect([...sets.indices]).toEqual([...all.indices]);
          expect(sets.distances).toEqual(all.distances);
        },
      ),
      { numRuns: 60 },
    );
  });

  it('refuse what they cannot use', async () => {
    const good = { data: gaussian(40), dimension: 4, codebook: gaussian(12), n: 2 };
    const refused = async (change: Partial<typeof good>, type: new (m: string) => Error) =>
      expect(candidateSets({ ...good, ...change })).rejects.toThrow(type);
    for (const n of [0, 5, 1.5, Number.NaN]) await refused({ n }, ArgumentError);
    await refused({ n: 4 }, ArgumentError);
    await refused({ codebook: gaussian(11) }, ShapeError);
    await refused({ data: gaussian(41) }, ShapeError);
    await refused({ data: gaussian(40).fill(Infinity, 3, 4) }, NonFiniteError);
    await refused({ codebook: gaussian(12).fill(Number.NaN, 3, 4) }, NonFiniteError);
    const stopped = candidateSets({ ...good, signal: AbortSignal.abort() });
    await expect(stopped).rejects.toThrow(InterruptedError);
  });
});

describe('ratios', () => {
  const sets = fc.integer({ min: 1, max: 4 }).chain((n) =>
    fc.record({
      n: fc.constant(n),
      distances: fc
        .array(
          fc.array(fc.float({ min: 0, max: 1e6, noNaN: true }), { minLength: n, maxLength: n }),
        )
        .map((rows) => Float32Array.from(rows.flatMap((row) => row.sort((a, b) => a - b)))),
    }),
  );

  it('sum to 1 and never rise with the distance', () => {
    fc.assert(
      fc.property(
        sets,
        fc.constantFrom<RatioStart>('uniform', 'inverse-distance'),
        (set, start) => {
          const { n, distances } = set;
          const logits = initialLogits(set, start);
          const ratios = ratiosOf(logits, n);
          expect(ratios.length).toBe(distances.length);
          for (let row = 0; row < ratios.length; row += n) {
            const own = [...ratios.subarray(row, row + n)];
            // n roundings to float32, each at most 2^-25 of a value up to 1.
            expect(Math.abs(own.reduce((a, b) => a + b, 0) - 1)).toBeLessThanOrEqual(n * 2 ** -25);
            if (start === 'uniform') expect(own).toEqual(own.map(() => Math.fround(1 / n)));
            // The last logit is 0 by definition; the floor counts only for the ones before.
            for (let j = 1; j < n - 1; j++) expect(own[j]!).toBeLessThanOrEqual(own[j - 1]!);
          }
        },
      ),
    );
  });

  it('start at the share of the other distance for two candidates', () => {
    // Distances 1 and 3: r_0 = 3 / (1 + 3) but for the floor of 1e-5.
    const logits = initialLogits({ n: 2, distances: Float32Array.of(1, 9) }, 'inverse-distance');
    expect(logits[0]).toBe(Math.fround(Math.log(3 / 1.00001)));
    expect(logits[1]).toBe(0);
    expect(ratiosOf(logits, 2)[0]).toBeCloseTo(0.75, 5);
    const three = initialLogits({ n: 3, distances: Float32Array.of(0, 4, 16) }, 'inverse-distance');
    expect([...three]).toEqual([Math.log(4 / 1e-5), Math.log(4 / 2.00001), 0].map(Math.fround));
    const same = initialLogits({ n: 2, distances: Float32Array.of(0, 0) }, 'inverse-distance');
    expect([...same]).toEqual([0, 0]);
  });

  it('do not overflow, and refuse what does not fit', () => {
    expect([...ratiosOf(Float32Array.of(10000, 0, -10000, 3e38), 2)]).toEqual([1, 0, 0, 1]);
    expect(() => ratiosOf(new Float32Array(3), 2)).toThrow(ShapeError);
    const unknown = 'nearest' as RatioStart;
    expect(() => initialLogits({ n: 1, distances: new Float32Array(1) }, unknown)).toThrow(
      ArgumentError,
    );
  });
});
