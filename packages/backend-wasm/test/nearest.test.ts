import { nearestCodewords, RandomStream, UnsupportedOpError } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { createWasmBackend } from '../src/index.ts';
import { useAllDevices } from './support/all-devices.ts';
import { expectSameBits, host, normal } from './support/devices.ts';

const devices = useAllDevices();

function nearest(x: Float32Array, codebook: Float32Array, d: number, n: number) {
  const rows = x.length / d;
  const [indices, distances] = devices.run(
    ({ kernels }, [t, c]) => {
      const out = kernels.nearest(t!, c!, n);
      const shape = [rows, n];
      return [
        { handle: out.indices, shape, dtype: 'int32' },
        { handle: out.distances, shape, dtype: 'float32' },
      ];
    },
    [host(x, [rows, d]), host(codebook, [codebook.length / d, d])],
  );
  return { indices: indices as Int32Array, distances: distances as Float32Array };
}

/** core's search compares with every codeword in float64. */
function expectExact(x: Float32Array, codebook: Float32Array, d: number, n: number): void {
  const got = nearest(x, codebook, d, n);
  const want = nearestCodewords(x, codebook, d, n);
  expectSameBits(got.indices, want.indices);
  expectSameBits(got.distances, want.distances);
}

/** Few different values make ties; large ones next to small ones make rounding matter. */
const value = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 2, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true, min: -1, max: 1 }) },
  { weight: 1, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }) },
);
const rowsOf = (d: number, max: number) =>
  fc
    .array(fc.array(value, { minLength: d, maxLength: d }), { minLength: 1, maxLength: max })
    .map((rows) => Float32Array.from(rows.flat()));

describe('nearest', () => {
  it('gives the float64 optimum, ties to the lowest index', () => {
    const problem = fc.constantFrom(1, 2, 3, 4, 5, 6, 8, 13, 14, 15, 16).chain((d) =>
      fc.record({
        d: fc.constant(d),
        x: rowsOf(d, 20),
        codebook: rowsOf(d, 30),
        n: fc.integer({ min: 1, max: 12 }),
      }),
    );
    fc.assert(
      fc.property(problem, ({ d, x, codebook, n }) => {
        expectExact(x, codebook, d, Math.min(n, codebook.length / d));
      }),
      { numRuns: 300 },
    );
  });

  it('does so for many rows and codewords', () => {
    for (const [d, k, n] of [
      [4, 256, 1],
      [2, 64, 1],
      [8, 100, 1],
      [4, 257, 2],
      [3, 90, 4],
      [6, 64, 1],
      [7, 64, 9],
      [24, 40, 2],
    ] as const) {
      expectExact(
        normal([1100, d], d).data as Float32Array,
        normal([k, d], 99).data as Float32Array,
        d,
        n,
      );
    }
  });

  it('finds codewords beyond the first slab of 65536', () => {
    const codebook = normal([65536 + 700, 2], 5).data as Float32Array;
    const x = codebook.slice(2 * 65500).map((v) => v + 1e-4);
    expectExact(x, codebook, 2, 1);
    expectExact(x.slice(0, 40), codebook, 2, 3);
  });

  it('is exact where values lie close together far from zero', () => {
    // Float32 sees no difference: everything is decided in float64.
    const near = (seed: number, count: number) =>
      (normal([count], seed).data as Float32Array).map((v) => 1000 + 1e-4 * v);
    for (const d of [2, 4, 5, 8, 16]) expectExact(near(1, 60 * d), near(2, 33 * d), d, 2);
  });

  it('is exact where some rows are much larger than all codewords', () => {
    const random = new RandomStream(3);
    for (const d of [2, 4, 8, 9]) {
      const x = Float32Array.from({ length: 400 * d }, () =>
        random.uniform() < 0.1 ? 50 * random.normal() : random.normal(),
      );
      expectExact(x, normal([48, d], 4).data as Float32Array, d, 1);
    }
  });

  it('copes with codebooks that integers cannot hold', () => {
    for (const scale of [0, 1e-45, 1e-32, 1e32, 1e38]) {
      const codebook = Float32Array.of(1, -1, 2, 0.5, -3, 1, 0, 0).map((v) => v * scale);
      const x = Float32Array.of(0.9, -1, 2, 0.4, 1, 1).map((v) => v * scale);
      expectExact(x, codebook, 2, 1);
      expectExact(x, codebook, 2, 4);
    }
  });

  it('refuses what its working memory cannot hold', async () => {
    const { kernels, close } = await createWasmBackend({ threads: 1 });
    const tensor = (shape: number[]) => ({ handle: 0, shape, dtype: 'float32' as const });
    const wide = tensor([1, 32769]);
    expect(() => kernels.nearest(wide, wide, 1)).toThrow(UnsupportedOpError);
    const narrow = tensor([16385, 1]);
    expect(() => kernels.nearest(narrow, narrow, 16385)).toThrow(/at most 16384 codewords/);
    await close();
  });
});

describe('lloydStep', () => {
  it('assigns as nearest does and adds up in float64', () => {
    for (const [rows, d, k] of [
      [1, 1, 1],
      [7, 3, 2],
      [5000, 4, 64],
      [3000, 2, 300],
      [2500, 8, 16],
      [2100, 20, 5],
    ] as const) {
      const x = normal([rows, d], rows);
      const codebook = normal([k, d], 7);
      const [indices, sums, counts] = devices.run(
        ({ fused }, [t, c]) => {
          const out = fused!.lloydStep!(t!, c!);
          return [
            { handle: out.indices, shape: [rows], dtype: 'int32' },
            { handle: out.sums, shape: [k, d], dtype: 'float32' },
            { handle: out.counts, shape: [k], dtype: 'float32' },
          ];
        },
        [x, codebook],
      );
      const want = nearestCodewords(x.data as Float32Array, codebook.data as Float32Array, d);
      expectSameBits(indices!, want.indices);
      const wantSums = new Float64Array(k * d);
      const sizes = new Float64Array(k * d);
      const wantCounts = new Float32Array(k);
      for (let i = 0; i < rows; i++) {
        const j = want.indices[i]!;
        wantCounts[j]! += 1;
        for (let a = 0; a < d; a++) {
          wantSums[j * d + a]! += x.data[i * d + a]!;
          sizes[j * d + a]! += Math.abs(x.data[i * d + a]!);
        }
      }
      expect(counts).toEqual(wantCounts);
      for (let i = 0; i < k * d; i++) {
        // One rounding to float32; what two orders of float64 sums differ by is far less.
        const allowed = 2 ** -24 * Math.abs(wantSums[i]!) + 1e-12 * sizes[i]!;
        expect(Math.abs(sums![i]! - wantSums[i]!)).toBeLessThanOrEqual(allowed);
      }
    }
  });
});
