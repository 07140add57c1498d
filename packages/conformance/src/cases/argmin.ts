import type { Shape } from '@vq4dit/core';
import fc from 'fast-check';
import { floatTensor } from '../arbitraries.ts';
import { exact } from '../comparators.ts';
import { floats, type HostTensor, integers } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';

function argminTrial(x: HostTensor): Trial {
  const n = x.shape.at(-1)!;
  return {
    description: `argmin of ${x.shape.join('x')} [${[...x.data.slice(0, 16)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [ops.argmin(t!)],
    expected: () => [
      {
        shape: x.shape.slice(0, -1),
        dtype: 'int32',
        values: Int32Array.from({ length: x.data.length / n }, (_, row) => {
          const values = [...x.data.subarray(row * n, (row + 1) * n)];
          const numbers = values.filter((v) => !Number.isNaN(v));
          return numbers.length === 0 ? 0 : values.indexOf(numbers.sort((a, b) => a - b)[0]!);
        }),
        compare: exact,
      },
    ],
  };
}

const argminCase = (id: string, x: () => HostTensor): OpCase => ({
  kind: 'value',
  op: 'argmin',
  id: `argmin(${id})`,
  trial: () => argminTrial(x()),
});

const ARGMIN_SHAPES: readonly Shape[] = [
  [1],
  [5],
  [3, 1],
  [4, 2],
  [7, 16],
  [7, 17],
  [33, 31],
  [129, 3],
  [2, 256],
  [2, 3, 5],
  [3, 1000],
];

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

export const argminCases: readonly OpCase[] = [
  ...ARGMIN_SHAPES.map(
    (shape): OpCase => ({
      kind: 'value',
      op: 'argmin',
      id: caseId('argmin', { shape }),
      trial: (rng) => argminTrial(integers(rng, shape, 1000)),
    }),
  ),
  argminCase('ties', () =>
    floats([5, 4], [1, 1, 1, 1, 2, 1, 3, 1, 9, 8, 7, 7, 0, 5, 5, 0, 3, -2, -2, -2]),
  ),
  argminCase('tiesFarApart', () =>
    floats([2, 700], (i) => (i % 700 === 3 || i % 350 === 349 ? -1 : 0)),
  ),
  argminCase('signedZeros', () => floats([2, 3], [1, 0, -0, 1, -0, 0])),
  argminCase('NaN', () => floats([4, 3], [nan, 2, 1, 3, nan, 5, nan, nan, 7, 1, nan, 1])),
  argminCase('allNaN', () => floats([2, 3], [nan, nan, nan, 2, 1, 3])),
  argminCase('infinite', () => floats([3, 3], [inf, -inf, 0, inf, inf, 5, -inf, 3, -inf])),
  argminCase('lastElement', () => floats([2, 5], [5, 4, 3, 2, 1, 9, 9, 9, 9, 8])),
  {
    kind: 'property',
    op: 'argmin',
    id: 'argmin(property)',
    // Few different values, so that ties are common.
    trials: fc
      .tuple(fc.integer({ min: 1, max: 6 }), fc.integer({ min: 1, max: 20 }))
      .chain((shape) => floatTensor(shape, fc.constantFrom(-2, -1, 0, 1, 2, nan)))
      .map(argminTrial),
  },
];
