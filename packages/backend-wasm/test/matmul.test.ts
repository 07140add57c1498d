import { RandomStream, type TensorOps } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { cutProduct } from '../src/kernels/tiles.ts';
import { expectSameBits } from './support/devices.ts';
import { elements, type Layout, normal, U, usePairs } from './support/products.ts';

const pairs = usePairs();

interface Case extends Layout {
  readonly batch: number;
  readonly a: Float32Array;
  readonly b: Float32Array;
}

function multiply(ops: TensorOps, { a, b, batch, m, k, n, transposeA, transposeB }: Case) {
  return ops.scope((s) => {
    const left = s.tensor(a, [batch, ...(transposeA ? [k, m] : [m, k])]);
    const right = s.tensor(b, [batch, ...(transposeB ? [n, k] : [k, n])]);
    return s.read(s.matmul(left, right, { transposeA, transposeB })) as Promise<Float32Array>;
  });
}

async function expectRight(given: Omit<Case, 'a' | 'b'>, seed: number): Promise<void> {
  const { batch, m, k, n } = given;
  const stream = new RandomStream(seed);
  const problem = { ...given, a: normal(stream, batch * m * k), b: normal(stream, batch * k * n) };
  for (const { one, three } of pairs) {
    const got = await multiply(one, problem);
    expectSameBits(await multiply(three, problem), got);
    for (let item = 0; item < batch; item++) {
      const a = problem.a.subarray(item * m * k, (item + 1) * m * k);
      const b = problem.b.subarray(item * k * n, (item + 1) * k * n);
      for (const { at, sum, size } of elements(a, b, problem)) {
        // k products and k sums, each rounded: at most k + 1 roundoffs of sum |a| |b|.
        const error = Math.abs(got[item * m * n + at]! - sum);
        if (!(error <= (k + 1) * U * size + 1e-38))
          expect.fail(`[${item}, ${at}] is off by ${error}`);
      }
    }
  }
}

const TRANSPOSES = [false, true].flatMap((transposeA) =>
  [false, true].map((transposeB) => ({ transposeA, transposeB })),
);

describe('matmul', () => {
  it('multiplies matrices of any shape, transposed or not, alike on any number of threads', async () => {
    const size = fc.integer({ min: 1, max: 70 });
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          batch: fc.integer({ min: 1, max: 3 }),
          m: size,
          k: fc.oneof(size, fc.constantFrom(383, 385, 800)),
          n: size,
          transposeA: fc.boolean(),
          transposeB: fc.boolean(),
        }),
        fc.nat(),
        expectRight,
      ),
      { numRuns: 60 },
    );
  });

  it.each(TRANSPOSES)('shares large products out among threads: %o', async (transposes) => {
    // Several chunks along each axis, several passes along k, and a remainder everywhere.
    await expectRight({ batch: 1, m: 301, k: 391, n: 403, ...transposes }, 1);
    await expectRight({ batch: 5, m: 49, k: 67, n: 141, ...transposes }, 2);
  });

  it('keeps infinities and NaN to the rows and columns that they are in', async () => {
    const [m, k, n] = [7, 5, 11];
    for (const transposes of TRANSPOSES) {
      const a = new Float32Array(m * k).fill(1);
      const b = new Float32Array(k * n).fill(1);
      a[transposes.transposeA ? 2 * m + 6 : 6 * k + 2] = Number.POSITIVE_INFINITY;
      b[transposes.transposeB ? 10 * k + 4 : 4 * n + 10] = Number.NaN;
      for (const { one } of pairs) {
        const got = await multiply(one, { batch: 1, m, k, n, a, b, ...transposes });
        got.forEach((value, at) => {
          const [i, j] = [Math.floor(at / n), at % n];
          expect(value).toBe(j === 10 ? Number.NaN : i === 6 ? Number.POSITIVE_INFINITY : k);
        });
      }
    }
  });
});

describe('cutProduct', () => {
  const size = fc.integer({ min: 1, max: 20_000 });

  it('covers the product without an empty chunk, in blocks that the kernels have room for', () => {
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 100 }), size, size, size, (batch, m, n, k) => {
        const { rows, columns, alongM, alongN, chunks } = cutProduct(batch, m, n, k);
        expect(rows * alongM).toBeGreaterThanOrEqual(m);
        expect(rows * (alongM - 1)).toBeLessThan(m);
        expect(columns * alongN).toBeGreaterThanOrEqual(n);
        expect(columns * (alongN - 1)).toBeLessThan(n);
        expect(chunks).toBe(batch * alongM * alongN);
        // MAX_COLUMNS of assembly/matmul-block.ts.
        expect(columns).toBeLessThanOrEqual(1024);
        expect(columns % 8).toBe(0);
      }),
    );
  });

  it('gives several threads enough to do at the shapes of DiT-XL/2', () => {
    for (const n of [1152, 3456, 4608]) {
      for (const m of [256, 512, 1024]) {
        expect(cutProduct(1, m, n, 1152).chunks, `${m} x ${n}`).toBeGreaterThanOrEqual(12);
      }
    }
  });
});
