import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, InterruptedError, NonFiniteError, ShapeError } from '../src/errors.ts';
import { nearestCodewords } from '../src/host/nearest.ts';
import { clampCodewords, type KMeansOptions, kmeans } from '../src/quantization/kmeans.ts';
import type { KMeansProgress } from '../src/quantization/lloyd.ts';
import type { SubvectorSource } from '../src/quantization/subvectors.ts';
import { RandomStream } from '../src/random/index.ts';

const gaussian = (count: number, seed = 1) =>
  new RandomStream(seed).fillNormal(new Float32Array(count));

function inChunks(data: Float32Array, d: number, rows: number): SubvectorSource {
  return {
    count: data.length / d,
    dimension: d,
    async *chunks() {
      for (let at = 0; at < data.length; at += rows * d) yield data.slice(at, at + rows * d);
    },
  };
}

/** Mean squared error per weight, from the definition. */
function distortionOf(
  x: Float32Array,
  codebook: Float32Array,
  assigned: ArrayLike<number>,
  d: number,
) {
  let error = 0;
  for (let i = 0; i < x.length; i++) {
    error += (x[i]! - codebook[assigned[Math.floor(i / d)]! * d + (i % d)]!) ** 2;
  }
  return error / x.length;
}

const subvectors = (max: number) =>
  fc.constantFrom(1, 2, 3, 4, 8).chain((d) =>
    fc.record({
      d: fc.constant(d),
      rows: fc.array(fc.array(fc.integer({ min: -9, max: 9 }), { minLength: d, maxLength: d }), {
        minLength: 1,
        maxLength: max,
      }),
      pick: fc.nat(),
      seed: fc.nat(),
    }),
  );

describe('kmeans', () => {
  it('returns what its parts say: nearest assignments, means, the distortion of both', async () => {
    await fc.assert(
      fc.asyncProperty(subvectors(80), async ({ d, rows, pick, seed }) => {
        const x = Float32Array.from(rows.flat(), (v) => v / 7);
        const k = 1 + (pick % rows.length);
        const result = await kmeans({ data: x, dimension: d, k, random: seed, tolerance: 0 });
        const { indices } = nearestCodewords(x, result.codebook, d);
        expect([...result.assignments]).toEqual([...indices]);
        const want = distortionOf(x, result.codebook, indices, d);
        // Sums of at most 640 squares in two orders, float64.
        expect(Math.abs(result.distortion - want)).toBeLessThanOrEqual(1e-13 * want);
        expect(result.converged).toBe(true);
      }),
      { numRuns: 200 },
    );
  });

  it('never raises the distortion', async () => {
    await fc.assert(
      fc.asyncProperty(subvectors(120), fc.boolean(), async ({ d, rows, pick, seed }, weigh) => {
        const x = Float32Array.from(rows.flat(), (v) => v / 7);
        const k = 1 + (pick % Math.min(12, rows.length));
        const weights = weigh ? Float32Array.from(rows, (_, i) => (i * 5) % 4) : undefined;
        fc.pre(weights === undefined || rows.length > 1);
        const seen: KMeansProgress[] = [];
        await kmeans({
          data: x,
          dimension: d,
          k,
          random: seed,
          tolerance: 0,
          // A bad start, so that there is something to improve and clusters are empty.
          codebook: Float32Array.from({ length: k * d }, (_, i) => x[i % d]!),
          onProgress: (p) => seen.push(p),
          ...(weights && { weights }),
        });
        expect(seen[0]!.changed).toBe(rows.length);
        for (let t = 1; t < seen.length; t++) {
          expect(seen[t]!.iteration).toBe(t);
          // Means are rounded to float32: |x| < 1.3, so each moves by less than 2^-24 and adds
          // less than its square.
          expect(seen[t]!.distortion).toBeLessThanOrEqual(seen[t - 1]!.distortion + 2 ** -48);
        }
      }),
      { numRuns: 200 },
    );
  });

  it('scales with the square of the weights', async () => {
    const x = gaussian(4 * 3000);
    const base = await kmeans({ data: x, dimension: 4, k: 32, random: 3 });
    // Scaling by a power of two is exact in every step, so the whole run must be the same.
    for (const scale of [0.03125, 64]) {
      const scaled = await kmeans({
        data: x.map((v) => v * scale),
        dimension: 4,
        k: 32,
        random: 3,
      });
      expect(scaled.assignments).toEqual(base.assignments);
      expect(scaled.codebook).toEqual(base.codebook.map((v) => v * scale));
      expect(scaled.distortion).toBe(base.distortion * scale * scale);
    }
  });

  it('does not depend on the order of the sub-vectors', async () => {
    await fc.assert(
      fc.asyncProperty(subvectors(100), async ({ d, rows, pick, seed }) => {
        // Integers: sums are exact in any order. Different data points as the start: no empty
        // cluster in the one update, whose repair could prefer one of two equally far points.
        const different = [...new Map(rows.map((row) => [row.join(), row])).values()];
        const k = 1 + (pick % different.length);
        const codebook = Float32Array.from(different.slice(0, k).flat());
        const order = new RandomStream(seed).permutation(rows.length);
        const shuffled = Array.from(order, (i) => rows[i]!);
        const options = { dimension: d, k, codebook, maxIterations: 1, tolerance: 0 };
        const a = await kmeans({ ...options, data: Float32Array.from(rows.flat()) });
        const b = await kmeans({ ...options, data: Float32Array.from(shuffled.flat()) });
        expect(b.codebook).toEqual(a.codebook);
        expect(Array.from(b.assignments)).toEqual(Array.from(order, (i) => a.assignments[i]!));
        // Distances are no integers after the update; only their sum's order differs.
        expect(Math.abs(b.distortion - a.distortion)).toBeLessThanOrEqual(1e-13 * a.distortion);
      }),
      { numRuns: 100 },
    );
  });

  it('gives the same result for the same seed, and another for another', async () => {
    const options: KMeansOptions = { data: gaussian(8000), dimension: 4, k: 16, random: 5 };
    const a = await kmeans(options);
    expect(await kmeans(options)).toEqual(a);
    expect((await kmeans({ ...options, random: 6 })).codebook).not.toEqual(a.codebook);
    // A stream is not used up by the run.
    const random = new RandomStream(5);
    random.uint32();
    expect(await kmeans({ ...options, random })).toEqual(a);
  });

  it('reads a source in any chunks', async () => {
    const x = gaussian(4 * 5000).map((v) => Math.round(v * 8));
    const options = { k: 24, random: 2, sampleSize: 1000, tolerance: 0, maxIterations: 8 };
    const whole = await kmeans({ ...options, data: x, dimension: 4 });
    for (const rows of [1, 999, 5000]) {
      // Integers: the sums are exact, although a flat array is added in another order.
      const streamed = await kmeans({ ...options, data: inChunks(x, 4, rows) });
      expect(streamed.assignments).toEqual(whole.assignments);
      expect(streamed.codebook).toEqual(whole.codebook);
      expect(streamed.distortion).toBeCloseTo(whole.distortion, 10);
    }
  });

  it('repairs empty clusters with the farthest sub-vectors', async () => {
    // Two clusters and a codebook that leaves two of its four codewords far away.
    const x = Float32Array.of(0, 1, 10, 11, 12, 30);
    const codebook = Float32Array.of(0, 11, 1000, 2000);
    const one = await kmeans({ data: x, dimension: 1, k: 4, codebook, maxIterations: 1 });
    // Errors: 30 is 19 from 11; 1 is 1 from 0, and 10 and 12 are 1 from 11: the first counts.
    expect([...one.codebook]).toEqual([0.5, 15.75, 30, 1]);
    const end = await kmeans({ data: x, dimension: 1, k: 4, codebook, tolerance: 0 });
    expect(new Set(end.assignments).size).toBe(4);
  });

  it('uses every codeword where there are enough different sub-vectors', async () => {
    await fc.assert(
      fc.asyncProperty(subvectors(60), async ({ d, rows, pick, seed }) => {
        const different = new Set(rows.map((row) => row.join())).size;
        const k = 1 + (pick % rows.length);
        const data = Float32Array.from(rows.flat());
        const { assignments, distortion } = await kmeans({
          data,
          dimension: d,
          k,
          random: seed,
          tolerance: 0,
        });
        expect(new Set(assignments).size).toBe(Math.min(k, different));
        if (k >= different) expect(distortion).toBe(0);
      }),
      { numRuns: 200 },
    );
  });

  it('counts a weight of w like w copies', async () => {
    const x = gaussian(2 * 400).map((v) => Math.round(v * 16));
    const weights = Float32Array.from({ length: 400 }, (_, i) => (i * 3) % 4);
    const copies = Array.from(weights, (w, i) => Array.from({ length: w }, () => i)).flat();
    const repeated = Float32Array.from(copies.flatMap((i) => [x[2 * i]!, x[2 * i + 1]!]));
    const codebook = x.slice(0, 20);
    const options = { dimension: 2, k: 10, codebook, maxIterations: 3, tolerance: 0 };
    const weighted = await kmeans({ ...options, data: x, weights });
    const plain = await kmeans({ ...options, data: repeated });
    expect(weighted.codebook).toEqual(plain.codebook);
    expect(copies.map((i) => weighted.assignments[i])).toEqual([...plain.assignments]);
    expect(weighted.distortion).toBeCloseTo(plain.distortion, 10);
  });

  it('draws the seeds by weight', async () => {
    // All the weight is on ten of a thousand sub-vectors; without updates the codebook is the seeds.
    const weights = Float64Array.from({ length: 1000 }, (_, i) => (i % 100 === 7 ? 1 : 0));
    for (const dimension of [2, 4]) {
      const data = gaussian(1000 * dimension);
      const options = { data, dimension, k: 10, weights, tolerance: 0 };
      expect((await kmeans({ ...options, maxIterations: 0 })).distortion).toBe(0);
      // A sample that misses most of them is repaired by the empty clusters.
      expect((await kmeans({ ...options, sampleSize: 50 })).distortion).toBe(0);
    }
  });

  it('is not worse from a sample than from all', async () => {
    const x = gaussian(4 * 20000, 8);
    const options = { data: x, dimension: 4, k: 64, random: 1 };
    const all = await kmeans({ ...options, sampleSize: 20000 });
    const sampled = await kmeans({ ...options, sampleSize: 4096 });
    // Measured over eight seeds each: 0.1791 to 0.1806, mean 0.1798, both from all and from samples.
    expect(sampled.distortion).toBeLessThan(1.01 * all.distortion);
    expect(all.distortion).toBeGreaterThan(0);
  });

  it('comes near the best known quantizer of a Gaussian', async () => {
    // Lloyd and Max: four levels have a distortion of 0.1175. 50000 samples: standard error 0.0007.
    const result = await kmeans({ data: gaussian(50000), dimension: 1, k: 4, tolerance: 0 });
    expect(Math.abs(result.distortion - 0.1175)).toBeLessThan(0.0035);
    const levels = [...result.codebook].sort((a, b) => a - b);
    for (const [i, level] of [-1.51, -0.4528, 0.4528, 1.51].entries()) {
      expect(Math.abs(levels[i]! - level)).toBeLessThan(0.05);
    }
  });

  it('starts from a given codebook and obeys its limits', async () => {
    const x = gaussian(4000);
    const codebook = x.slice(0, 32);
    const given = await kmeans({ data: x, dimension: 4, k: 8, codebook, maxIterations: 0 });
    expect(given.codebook).toEqual(codebook);
    expect(given).toMatchObject({ iterations: 0, converged: false });
    const rough = await kmeans({ data: x, dimension: 4, k: 8, codebook, tolerance: 0.05 });
    const fine = await kmeans({ data: x, dimension: 4, k: 8, codebook, tolerance: 0 });
    expect(rough.converged && fine.converged).toBe(true);
    expect(rough.iterations).toBeLessThan(fine.iterations);
    expect(fine.distortion).toBeLessThan(rough.distortion);
    const again = await kmeans({
      data: x,
      dimension: 4,
      k: 8,
      codebook: fine.codebook,
      tolerance: 0,
    });
    expect(again.codebook).toEqual(fine.codebook);
    expect(again.iterations).toBeLessThanOrEqual(1);
  });

  it('gives way to the event loop and stops on a signal', async () => {
    const controller = new AbortController();
    let turns = 0;
    const timer = setInterval(() => {
      turns++;
      if (turns === 3) controller.abort(new Error('enough'));
    }, 1);
    try {
      const run = kmeans({
        data: gaussian(4 * 100_000),
        dimension: 4,
        k: 256,
        tolerance: 0,
        maxIterations: 10_000,
        signal: controller.signal,
      });
      await expect(run).rejects.toThrow(InterruptedError);
      expect(turns).toBeGreaterThanOrEqual(3);
    } finally {
      clearInterval(timer);
    }
    const aborted = kmeans({
      data: gaussian(8),
      dimension: 2,
      k: 2,
      signal: AbortSignal.abort(),
    });
    await expect(aborted).rejects.toThrow(InterruptedError);
  });

  it('refuses what it cannot use', async () => {
    const data = gaussian(40);
    const good: KMeansOptions = { data, dimension: 4, k: 4 };
    const cases: [Partial<KMeansOptions>, new (m: string) => Error, RegExp][] = [
      [{ k: 11 }, ArgumentError, /11 codewords are more than the 10 sub-vectors/],
      [{ k: 0 }, ArgumentError, /positive integer, not 0/],
      [{ k: 2.5 }, ArgumentError, /positive integer, not 2.5/],
      [{ dimension: 3 }, ShapeError, /Sub-vectors of 3 values do not divide 40/],
      [{ dimension: 0 }, ArgumentError, /positive integer, not 0/],
      [{ maxIterations: -1 }, ArgumentError, /maxIterations/],
      [{ tolerance: Number.NaN }, ArgumentError, /tolerance/],
      [{ sampleSize: 3 }, ArgumentError, /at least k = 4, not 3/],
      [{ codebook: new Float32Array(15) }, ShapeError, /has 16 values, not 15/],
      [{ codebook: new Float32Array(16).fill(Number.NaN) }, NonFiniteError, /Codeword 0 has NaN/],
      [{ weights: new Float32Array(9) }, ShapeError, /not 9/],
      [{ weights: new Float32Array(10) }, ArgumentError, /positive weight/],
      [{ weights: new Float32Array(10).fill(-1) }, ArgumentError, /sub-vector 0 is negative/],
      [
        { weights: new Float32Array(10).fill(Infinity) },
        NonFiniteError,
        /sub-vector 0 is Infinity/,
      ],
      [{ data: { ...inChunks(data, 4, 3), count: 11 } }, ShapeError, /promised 11/],
      [{ data: { ...inChunks(data, 4, 3), count: 9 } }, ShapeError, /does not fit a source of 9/],
      [{ data: inChunks(data, 5, 2) }, ArgumentError, /sub-vectors of 5, not 4/],
    ];
    for (const [change, type, message] of cases) {
      const run = kmeans({ ...good, ...change });
      await expect(run, String(message)).rejects.toThrow(type);
      await expect(kmeans({ ...good, ...change })).rejects.toThrow(message);
    }
    await expect(kmeans({ data, k: 4 })).rejects.toThrow(/needs its dimension/);
  });

  it('says where a weight is not finite', async () => {
    for (const [value, at] of [
      [Number.NaN, 0],
      [Infinity, 21],
      [-Infinity, 39],
    ] as const) {
      const data = gaussian(40);
      data[at] = value;
      const message = `Sub-vector ${Math.floor(at / 4)} has ${value} at element ${at % 4} (value ${at} `;
      await expect(kmeans({ data, dimension: 4, k: 2 })).rejects.toThrow(message);
      await expect(kmeans({ data: inChunks(data, 4, 3), k: 2 })).rejects.toThrow(NonFiniteError);
    }
  });
});

describe('clampCodewords', () => {
  it('keeps at least four sub-vectors for each codeword, in powers of two', () => {
    const cases = [
      [256, 1_327_104, 256],
      [256, 1024, 256],
      [256, 1023, 128],
      [256, 8, 2],
      [256, 7, 1],
      [256, 1, 1],
      [3, 100, 3],
    ] as const;
    for (const [k, n, want] of cases) expect(clampCodewords(k, n)).toBe(want);
    expect(() => clampCodewords(0, 4)).toThrow(ArgumentError);
    expect(() => clampCodewords(4, 0)).toThrow(ArgumentError);
  });
});
