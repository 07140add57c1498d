import { softmax } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Host, host, normal } from './support/devices.ts';
import { expectWithin, useFused } from './support/fused.ts';

const devices = useFused();
const U = 2 ** -24;

const run = (x: Host) => devices.run('softmax', (ops, [t]) => [softmax(ops, t!)], [x]);

/** In float64, with what u may be multiplied by. */
function definition({ data, shape }: Host) {
  const n = shape.at(-1)!;
  const values = new Float64Array(data.length);
  const factors = new Float64Array(data.length);
  for (let at = 0; at < data.length; at += n) {
    const row = Array.from(data.subarray(at, at + n));
    const most = Math.max(...row);
    const total = row.reduce((sum, x) => sum + Math.exp(x - most), 0);
    row.forEach((x, i) => {
      const y = Math.exp(x - most) / total;
      values[at + i] = y;
      // Rounding x - most, e^x to 3 ulp, the sum of n positive terms in at least 4 parts, division.
      factors[at + i] = y * (most - x + 10 + n / 4) + 2 ** -126 / U;
    });
  }
  return { values, factors };
}

async function expectRight(x: Host): Promise<void> {
  const { values, factors } = definition(x);
  for (const [got] of await run(x)) expectWithin(got!, values, (i) => 2 * U * factors[i]!);
}

const scaled = ({ data, shape }: Host, factor: number) =>
  host(
    (data as Float32Array).map((v) => v * factor),
    shape,
  );

describe('softmax', () => {
  it('is right for rows of every length', async () => {
    for (let n = 1; n <= 67; n++) await expectRight(scaled(normal([7, n], n), 4));
  });

  it('is right for any number of rows', async () => {
    for (const n of [2, 3, 12, 13]) {
      for (let rows = 1; rows <= 17; rows++) await expectRight(normal([rows, n], rows));
    }
  });

  it.each([
    [30_001, 2],
    [10_001, 3],
    [9_001, 4],
    [300, 49],
    [70, 256],
    [3, 20_000],
  ])('is right for [%i, %i]', (rows, n) => expectRight(scaled(normal([rows, n]), 3)));

  it('is right for any numbers', async () => {
    const value = fc.float({ min: -1000, max: 1000, noNaN: true });
    const rows = fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 20 }))
      .chain(([r, n]) =>
        fc
          .array(value, { minLength: r * n, maxLength: r * n })
          .map((data) => host(Float32Array.from(data), [r, n])),
      );
    await fc.assert(fc.asyncProperty(rows, expectRight), { numRuns: 60 });
  });

  it.each([1, 2, 3, 4, 12, 13, 33])('keeps to NaN and infinity in rows of %i', async (n) => {
    const row = (set: (data: Float32Array) => void) => {
      const data = Float32Array.from({ length: n }, (_, i) => i / 7);
      set(data);
      return [...data];
    };
    const { POSITIVE_INFINITY, NEGATIVE_INFINITY, NaN: nan } = Number;
    const rows = [
      row((d) => d.fill(nan, n - 1)),
      row((d) => d.fill(POSITIVE_INFINITY, n - 1)),
      row((d) => d.fill(NEGATIVE_INFINITY)),
      row((d) => d.fill(NEGATIVE_INFINITY, 0, n - 1)),
      row(() => {}),
    ];
    const x = host(Float32Array.from(rows.flat()), [rows.length, n]);
    for (const [got] of await run(x)) {
      const at = (r: number) => [...got!.subarray(r * n, (r + 1) * n)];
      // NaN spreads over its row and no further; infinity over infinity is NaN.
      for (const y of at(0)) expect(y).toBeNaN();
      expect(at(1)[n - 1]).toBeNaN();
      for (const y of at(2)) expect(y).toBeNaN();
      expect(at(3)).toEqual(Array.from({ length: n }, (_, i) => (i === n - 1 ? 1 : 0)));
      expect(at(4).reduce((a, b) => a + b, 0)).toBeCloseTo(1, 6);
    }
  });
});
