import { layerNorm, modulatedLayerNorm, modulatedLayerNormGradOp } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Host, host, normal } from './support/devices.ts';
import { expectWithin, relativeError, useFused } from './support/fused.ts';

const devices = useFused();
const U = 2 ** -24;

type Rows = readonly [number, number];
type Tokens = readonly [number, number, number];

const meanOf = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** One row in float64, and the size of what is subtracted in it. */
function standardize(row: readonly number[], epsilon: number) {
  const mean = meanOf(row);
  const inverse = 1 / Math.sqrt(meanOf(row.map((v) => (v - mean) ** 2)) + epsilon);
  const y = row.map((v) => (v - mean) * inverse);
  const size = meanOf(row.map(Math.abs)) * inverse;
  return {
    y,
    inverse,
    factor: y.map((v, i) => Math.abs(row[i]!) * inverse + size + Math.abs(v) * (1 + size)),
  };
}

function rowsOf({ data, shape }: Host): number[][] {
  const n = shape.at(-1)!;
  return Array.from({ length: data.length / n }, (_, r) => [...data.subarray(r * n, (r + 1) * n)]);
}

async function expectNormalized(x: Host, epsilon: number): Promise<void> {
  const rows = rowsOf(x).map((row) => standardize(row, epsilon));
  const want = rows.flatMap(({ y }) => y);
  const factor = rows.flatMap((row) => row.factor);
  const results = await devices.run('layerNorm', (ops, [t]) => [layerNorm(ops, t!, epsilon)], [x]);
  // A mean of n numbers in 16 parts is off by a few u of their mean size.
  for (const [got] of results) expectWithin(got!, want, (i) => 16 * U * factor[i]!);
}

describe('layerNorm', () => {
  it('is right for rows of every length', async () => {
    for (let n = 1; n <= 67; n++) await expectNormalized(normal([5, n], n), 1e-5);
  });

  it.each([
    [3136, 192],
    [512, 1152],
    [1001, 9],
    [2, 30_001],
  ] as Rows[])('is right for [%i, %i]', (...shape) => expectNormalized(normal(shape), 1e-6));

  it('does not lose the variance beside a large mean', async () => {
    const x = normal([40, 192]);
    await expectNormalized(
      host(
        (x.data as Float32Array).map((v) => 300 + v),
        x.shape,
      ),
      1e-6,
    );
  });

  it('is right for any numbers', async () => {
    const value = fc.float({ min: -100, max: 100, noNaN: true });
    const rows = fc
      .array(value, { minLength: 1, maxLength: 70 })
      .map((data) => host(Float32Array.from(data), [1, data.length]));
    await fc.assert(
      fc.asyncProperty(rows, (x) => expectNormalized(x, 1e-2)),
      { numRuns: 60 },
    );
  });

  it('gives zeros for constant rows and keeps NaN in its row', async () => {
    const n = 21;
    const data = new Float32Array(3 * n).fill(2);
    data[n + 4] = Number.NaN;
    const x = host(data, [3, n]);
    for (const [got] of await devices.run('layerNorm', (ops, [t]) => [layerNorm(ops, t!)], [x])) {
      for (let i = 0; i < n; i++) {
        expect(got![i]).toBe(0);
        expect(got![n + i]).toBeNaN();
        expect(got![2 * n + i]).toBe(0);
      }
    }
  });
});

const modulated = (epsilon: number) => (x: Host, shift: Host, scale: Host) =>
  devices.run(
    'modulatedLayerNorm',
    (ops, [a, b, c]) => [modulatedLayerNorm(ops, a!, b!, c!, epsilon)],
    [x, shift, scale],
  );

describe('modulatedLayerNorm', () => {
  const check = async ([images, tokens, n]: Tokens) => {
    const x = normal([images, tokens, n], 1);
    const shift = normal([images, n], 2);
    const scale = normal([images, n], 3);
    const rows = rowsOf(x).map((row) => standardize(row, 1e-5));
    const at = (i: number) => Math.floor(i / (tokens * n)) * n + (i % n);
    const y = rows.flatMap((row) => row.y);
    const want = y.map((v, i) => v * (1 + scale.data[at(i)]!) + shift.data[at(i)]!);
    const factor = rows.flatMap((row) => row.factor);
    const bound = (i: number) =>
      16 * U * ((factor[i]! + Math.abs(y[i]!)) * Math.abs(1 + scale.data[at(i)]!) + 1) +
      2 * U * Math.abs(shift.data[at(i)]!);
    for (const [got] of await modulated(1e-5)(x, shift, scale)) expectWithin(got!, want, bound);
  };

  it('is right for every width', async () => {
    for (let n = 1; n <= 67; n++) await check([2, 3, n]);
  });

  it.each([
    [64, 49, 192],
    [2, 256, 1152],
    [7, 1, 33],
  ] as Tokens[])('is right for [%i, %i, %i]', (...shape) => check(shape));
});

describe('modulatedLayerNormGrad', () => {
  const EPSILON = 1e-3;

  /** In float64. */
  function definition(x: Host, scale: Host, grad: Host) {
    const [images, tokens, n] = x.shape as Tokens;
    const outX: number[] = [];
    const outShift = new Float64Array(images * n);
    const outScale = new Float64Array(images * n);
    const gradRows = rowsOf(grad);
    rowsOf(x).forEach((row, r) => {
      const image = Math.floor(r / tokens) * n;
      const { y, inverse } = standardize(row, EPSILON);
      const h = gradRows[r]!.map((g, i) => g * (1 + scale.data[image + i]!));
      const meanH = meanOf(h);
      const meanHy = meanOf(h.map((v, i) => v * y[i]!));
      h.forEach((v, i) => {
        outX.push((v - meanH - y[i]! * meanHy) * inverse);
        outShift[image + i]! += gradRows[r]![i]!;
        outScale[image + i]! += gradRows[r]![i]! * y[i]!;
      });
    });
    return [outX, outShift, outScale];
  }

  const run = (x: Host, scale: Host, grad: Host) =>
    devices.run(
      'modulatedLayerNormGrad',
      (ops, inputs) => ops.composed(modulatedLayerNormGradOp, inputs, { epsilon: EPSILON }),
      [x, scale, grad],
    );

  const check = async ([images, tokens, n]: Tokens) => {
    const x = normal([images, tokens, n], 1);
    const scale = normal([images, n], 2);
    const grad = normal([images, tokens, n], 3);
    const want = definition(x, scale, grad);
    for (const got of await run(x, scale, grad)) {
      // Measured: at most 1.4e-6, where the gradient of rows of two elements cancels.
      want.forEach((values, i) => {
        const isCancelled = i === 0 && n === 1;
        if (isCancelled) expectWithin(got[0]!, values, () => 1e-6);
        else expect(relativeError(got[i]!, values)).toBeLessThan(3e-6);
      });
    }
  };

  it('is right for every width', async () => {
    for (let n = 1; n <= 67; n++) await check([2, 3, n]);
  });

  it.each([
    [3, 64, 20],
    [3, 65, 20],
    [2, 200, 7],
    [64, 49, 192],
    [2, 256, 1152],
  ] as Tokens[])('adds over tokens for [%i, %i, %i]', (...shape) => check(shape));

  it('is the slope of the function', async () => {
    const [images, tokens, n] = [2, 3, 5] as const;
    const x = normal([images, tokens, n], 1);
    const shift = normal([images, n], 2);
    const scale = normal([images, n], 3);
    const grad = normal([images, tokens, n], 4);
    const loss = (inputs: readonly ArrayLike<number>[]) => {
      const [a, b, c] = inputs as [ArrayLike<number>, ArrayLike<number>, ArrayLike<number>];
      let sum = 0;
      for (let r = 0; r < images * tokens; r++) {
        const row = Array.from({ length: n }, (_, i) => a[r * n + i]!);
        const image = Math.floor(r / tokens) * n;
        standardize(row, EPSILON).y.forEach((y, i) => {
          sum += grad.data[r * n + i]! * (y * (1 + c[image + i]!) + b[image + i]!);
        });
      }
      return sum;
    };
    const inputs = [x, shift, scale].map(({ data }) => Float64Array.from(data));
    const slopes = inputs.map((values, which) =>
      values.map((v, i) => {
        const at = (value: number) =>
          loss(inputs.map((given, j) => (j === which ? given.with(i, value) : given)));
        return (at(v + 1e-5) - at(v - 1e-5)) / 2e-5;
      }),
    );
    for (const got of await run(x, scale, grad)) {
      slopes.forEach((slope, i) => {
        expect(relativeError(got[i]!, slope)).toBeLessThan(1e-5);
      });
    }
  });
});
