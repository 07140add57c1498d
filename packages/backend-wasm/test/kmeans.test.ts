import { type KMeansOptions, kmeans, nearestCodewords, RandomStream } from '@vq4dit/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWasmBackend, type WasmBackend } from '../src/index.ts';
import { createKMeans } from '../src/kmeans.ts';

let backends: WasmBackend[] = [];
beforeAll(async () => {
  const kinds = [false, true].flatMap((relaxed) =>
    [1, 2, 3].map((threads) => ({ relaxed, threads })),
  );
  backends = await Promise.all(kinds.map((kind) => createWasmBackend(kind)));
});
afterAll(() => Promise.all(backends.map((backend) => backend.close())));

/** Host, and both builds on 1, 2 and 3 threads: one result. */
async function everywhere(options: KMeansOptions) {
  const want = await kmeans(options);
  for (const { kmeans: accelerator, engine } of backends) {
    const before = engine.blocks;
    const onDeclined = (reason: string) => expect.fail(reason);
    expect(await kmeans({ ...options, accelerator: accelerator!, onDeclined })).toEqual(want);
    expect(engine.blocks).toBe(before);
  }
  return want;
}

/** Few different values make ties and empty clusters; large ones make rounding matter. */
const value = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 3, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true, min: -1, max: 1 }) },
  { weight: 1, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true, min: -1e9, max: 1e9 }) },
);
const problem = fc.constantFrom(1, 2, 3, 4, 5, 8).chain((d) =>
  fc.record({
    d: fc.constant(d),
    rows: fc.array(fc.array(value, { minLength: d, maxLength: d }), {
      minLength: 1,
      maxLength: 600,
      size: 'max',
    }),
    pick: fc.nat(),
    seed: fc.nat(),
    weigh: fc.boolean(),
  }),
);

describe('k-means on the engine', () => {
  it('gives the bits of the host and the nearest codewords of brute force', async () => {
    await fc.assert(
      fc.asyncProperty(problem, async ({ d, rows, pick, seed, weigh }) => {
        const data = Float32Array.from(rows.flat());
        const k = 1 + (pick % Math.min(40, rows.length));
        const weights = weigh
          ? Float32Array.from(rows, (_, i) => ((i * 5) % 4) + (i ? 0 : 1))
          : undefined;
        const { codebook, assignments } = await everywhere({
          ...{ data, dimension: d, k, random: seed, tolerance: 0, maxIterations: 6 },
          ...(weights && { weights }),
        });
        expect([...assignments]).toEqual([...nearestCodewords(data, codebook, d).indices]);
      }),
      { numRuns: 120, seed: 20261126 },
    );
  });

  it('does so from a sample, with many subtrees and leaves', async () => {
    for (const [d, k, count] of [
      [4, 256, 20_000],
      [2, 64, 9_000],
      [8, 100, 5_000],
      [3, 500, 9_000],
    ] as const) {
      const data = new RandomStream(d).fillNormal(new Float32Array(count * d));
      const options = { data, dimension: d, k, random: 3, sampleSize: 4096, maxIterations: 2 };
      const { codebook, assignments } = await everywhere(options);
      const { indices } = nearestCodewords(data, codebook, d);
      expect(assignments.every((j, i) => j === indices[i])).toBe(true);
      const weights = data.subarray(0, count).map(Math.abs);
      await everywhere({ ...options, weights, maxIterations: 2 });
    }
  }, 60_000);

  it('rules nothing out wrongly where float32 has no digits left for it', async () => {
    const count = 4000;
    const normal = new RandomStream(5).fillNormal(new Float32Array(4 * count));
    const scales = [
      // Far from zero and close together, so that squares cancel; squares below and above float32.
      (x: number) => 1000 + 1e-3 * x,
      (x: number, i: number) => (i % 4 === 0 ? 4096 : 0) + 1e-4 * x,
      (x: number) => 1e-23 * x,
      (x: number) => 1e-42 * x,
      (x: number) => 1e19 * x,
      (x: number) => 5e37 * x,
      (x: number, i: number) => x * 10 ** ((i % 7) * 5 - 15),
    ];
    for (const scaled of scales) {
      const data = normal.map(scaled);
      const options = { data, dimension: 4, k: 64, random: 3, sampleSize: 2048, maxIterations: 2 };
      const { codebook, assignments } = await everywhere(options);
      const { indices } = nearestCodewords(data, codebook, 4);
      expect(assignments.every((j, i) => j === indices[i])).toBe(true);
    }
  }, 60_000);

  it('goes on from a codebook with empty clusters and with equal codewords', async () => {
    const data = new RandomStream(1).fillNormal(new Float32Array(4 * 3000));
    const codebook = new Float32Array(4 * 32).fill(0.5, 0, 64).fill(1e6, 64);
    await everywhere({ data, dimension: 4, k: 32, codebook, maxIterations: 5, tolerance: 0 });
  });

  it('leaves streamed sub-vectors to the host, and says so', async () => {
    const values = new RandomStream(2).fillNormal(new Float32Array(4 * 500));
    const data = { count: 500, dimension: 4, chunks: () => [values] };
    const reasons: string[] = [];
    const accelerator = backends[0]!.kmeans!;
    const options = { data, k: 8, random: 1 };
    const onDeclined = (reason: string) => reasons.push(reason);
    expect(await kmeans({ ...options, accelerator, onDeclined })).toEqual(await kmeans(options));
    expect(reasons.join()).toMatch(/streamed/);
  });

  it('declines what does not fit, with a reason', async () => {
    const data = new Float32Array(5000).map((_, i) => Math.sin(i));
    const reasons: string[] = [];
    const onDeclined = (reason: string) => reasons.push(reason);
    const accelerator = createKMeans(backends[0]!.engine);
    const options = { data, dimension: 5000, k: 1, accelerator, onDeclined };
    expect((await kmeans(options)).codebook).toEqual(data);
    expect(reasons).toEqual(['sub-vectors of 5000 values are longer than 4096']);
  });
});
