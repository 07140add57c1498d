import { RandomStream, type ReduceOp, type Shape } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  expectSameBits,
  type Host,
  host,
  integers,
  normal,
  useDevices,
} from './support/devices.ts';

const devices = useDevices();

type Three = readonly [number, number, number];

const reduce = (op: ReduceOp, x: Host) =>
  devices.run((kernels, [t]) => kernels.reduce(op, t!), [x], [x.shape[0]!, x.shape[2]!], {
    sameBits: true,
  })[0]!;

function expectRight(op: ReduceOp, x: Host, isExact = false): void {
  const [outer, n, inner] = x.shape as Three;
  const got = reduce(op, x);
  for (let o = 0; o < outer; o++) {
    for (let i = 0; i < inner; i++) {
      let sum = 0;
      let size = 0;
      let most = Number.NEGATIVE_INFINITY;
      for (let j = 0; j < n; j++) {
        const value = x.data[(o * n + j) * inner + i]!;
        sum += value;
        size += Math.abs(value);
        most = Math.max(most, value);
      }
      const value = got[o * inner + i]!;
      if (op === 'max') {
        if (value !== most) expect.fail(`[${o}, ${i}] is ${value}, not ${most}`);
        continue;
      }
      // No element takes part in more than 1024 / 16 + 16 additions of a block, or n / 8 + 4 of
      // columns; each rounds by 2^-24 at most, and sums of random signs stay far below that.
      const allowed = isExact ? 0 : 16 * 2 ** -24 * size;
      if (!(Math.abs(value - sum) <= allowed)) {
        expect.fail(`[${o}, ${i}] is ${value}, not ${sum}`);
      }
    }
  }
}

/** Whole numbers whose sums have no rounding: no element is left out or taken twice. */
const whole = (shape: Shape, seed: number) =>
  host(
    Float32Array.from(integers(shape, 9, seed).data, (value) => value - 4),
    shape,
  );

/** Short and long in each of the three places; the long ones are cut into pieces. */
const SHAPES: readonly Three[] = [
  [1, 1, 1],
  [1, 300_001, 1],
  [1, 70_000, 3],
  [1, 70_001, 4],
  [1, 5000, 192],
  [1, 3, 50_001],
  [40_000, 4, 1],
  [30_001, 7, 1],
  [12, 49, 192],
  [200, 1000, 1],
  [2, 100_000, 1],
  [300, 17, 33],
  [3, 5000, 31],
];

describe.each(['sum', 'max'] as const)('%s', (op) => {
  it.each(SHAPES)('of [%i, %i, %i] is right, whatever the threads', (...shape) => {
    expectRight(op, normal(shape, shape[1]));
    expectRight(op, whole(shape, shape[1]), true);
  });

  it('is right at every length', () => {
    for (let n = 1; n <= 67; n++) {
      expectRight(op, whole([3, n, 1], n), true);
      expectRight(op, whole([2, n, 5], n), true);
      expectRight(op, whole([2, 9, n], n), true);
    }
  });

  it('is right for any shape', () => {
    const side = fc.integer({ min: 1, max: 40 });
    fc.assert(
      fc.property(side, side, side, (...shape) => expectRight(op, normal(shape, 5))),
      { numRuns: 60 },
    );
  });
});

it('adds up many equal numbers without drift', () => {
  // Adding 0.1 four million times in float32, one after the other, ends 5 % off.
  const [sum] = reduce('sum', host(new Float32Array(4_000_000).fill(0.1), [1, 4_000_000, 1]));
  expect(Math.abs(sum! / (4_000_000 * Math.fround(0.1)) - 1)).toBeLessThan(2 ** -20);
});

it('lets NaN into the maximum wherever it is', () => {
  for (const [n, inner] of [
    [67, 1],
    [67, 5],
    [9, 33],
  ] as const) {
    for (const at of [0, 1, n * inner - 1, 3 * inner]) {
      const x = normal([1, n, inner]);
      x.data[at] = Number.NaN;
      const got = reduce('max', x);
      for (let i = 0; i < inner; i++) expect(Number.isNaN(got[i]!)).toBe(i === at % inner);
    }
  }
});

describe('argmin', () => {
  function expectLowest(x: Host): void {
    const [rows, n] = x.shape as readonly [number, number];
    const shape: Shape = [rows];
    const [got] = devices.run((kernels, [t]) => kernels.argmin(t!), [x], shape, {
      dtype: 'int32',
      sameBits: true,
    });
    const want = Int32Array.from({ length: rows }, (_, row) => {
      let best = -1;
      for (let i = 0; i < n; i++) {
        const value = x.data[row * n + i]!;
        if (!Number.isNaN(value) && (best < 0 || value < x.data[row * n + best]!)) best = i;
      }
      return Math.max(0, best);
    });
    expectSameBits(got!, want);
  }

  const few = (shape: Shape, values: readonly number[], seed: number): Host => {
    const choices = integers(shape, values.length, seed).data;
    return host(
      Float32Array.from(choices, (i) => values[i]!),
      shape,
    );
  };

  it('gives the first of equal minima at every length, and passes over NaN', () => {
    const { POSITIVE_INFINITY: inf, NaN: nan } = Number;
    for (let n = 1; n <= 67; n++) {
      expectLowest(few([40, n], [1, 2, 3], n));
      expectLowest(few([40, n], [nan, inf, -0, 0], n));
      expectLowest(few([40, n], [nan, inf], n));
      expectLowest(few([3, n], [nan], n));
      expectLowest(few([3, n], [-inf, inf, nan], n));
    }
  });

  it('is right for many rows and for long ones', () => {
    expectLowest(normal([50_000, 3], 1));
    expectLowest(normal([3, 100_001], 2));
    const random = new RandomStream(3);
    expectLowest(
      host(
        Float32Array.from({ length: 256 * 999 }, () => random.uniform()),
        [999, 256],
      ),
    );
  });
});
