import { type ReduceOp, type Shape, sizeOf } from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor, shapes } from '../arbitraries.ts';
import { type DataClass, equal, scaled, sumFactor } from '../comparators.ts';
import { floats, gaussian, type HostTensor, integers, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';
import { sums } from '../oracle.ts';

function reduceTrial(
  op: ReduceOp,
  x: HostTensor,
  axis: number,
  data: DataClass | 'exact',
  keepDims = false,
): Trial {
  const at = axis < 0 ? axis + x.shape.length : axis;
  const n = x.shape[at]!;
  const inner = sizeOf(x.shape.slice(at + 1));
  const count = x.data.length / n;
  const term = (out: number, j: number) =>
    x.data[(Math.floor(out / inner) * n + j) * inner + (out % inner)]!;
  return {
    description: `${op} of ${x.shape.join('x')} over axis ${axis} [${[...x.data.slice(0, 8)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [ops.reduce(op, t!, axis, keepDims)],
    expected() {
      const shape = keepDims
        ? x.shape.map((dim, i) => (i === at ? 1 : dim))
        : x.shape.filter((_, i) => i !== at);
      if (op === 'max') {
        const values = Float64Array.from({ length: count }, (_, out) => {
          const terms = Array.from({ length: n }, (_, j) => term(out, j));
          return terms.reduce((best, v) => (v > best ? v : best));
        });
        return [{ shape, dtype: 'float32', values, compare: equal }];
      }
      const { values, magnitude } = sums(count, n, term);
      const compare = data === 'exact' ? equal : scaled(magnitude, sumFactor(data, n));
      return [{ shape, dtype: 'float32', values, compare }];
    },
  };
}

const SHAPES: readonly Shape[] = [
  [1],
  [2],
  [17],
  [129],
  [1000],
  [1, 1, 1],
  [3, 5],
  [33, 31],
  [2, 3, 4],
  [5, 1, 7],
  [2, 3, 4, 5],
  [4, 63, 3],
  [127, 2],
];

function shapeCases(op: ReduceOp): OpCase[] {
  return SHAPES.flatMap((shape) =>
    shape.map(
      (_, axis): OpCase => ({
        kind: 'value',
        op: 'reduce',
        variant: op,
        id: caseId(op, { shape, axis }),
        trial: (rng) => reduceTrial(op, gaussian(rng, shape), axis, 'gaussian', axis === 1),
      }),
    ),
  );
}

function special(
  op: ReduceOp,
  id: string,
  shape: Shape,
  values: readonly number[],
  want: readonly number[],
): OpCase {
  return {
    kind: 'value',
    op: 'reduce',
    variant: op,
    id: `${op}(${id})`,
    trial: () => ({
      inputs: [floats(shape, values)],
      run: (ops, [x]) => [ops.reduce(op, x!, -1)],
      expected: () => [
        {
          shape: shape.slice(0, -1),
          dtype: 'float32',
          values: Float64Array.from(want),
          compare: equal,
        },
      ],
    }),
  };
}

const property = (op: ReduceOp): OpCase => ({
  kind: 'property',
  op: 'reduce',
  variant: op,
  id: `${op}(property)`,
  trials: shapes(4, 80)
    .filter((shape) => shape.length > 0)
    .chain((shape) =>
      fc
        .tuple(floatTensor(shape, finite(-30, 30)), fc.nat(shape.length - 1), fc.boolean())
        .map(([x, axis, keepDims]) => reduceTrial(op, x, axis, 'arbitrary', keepDims)),
    ),
});

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

export const reduceCases: readonly OpCase[] = [
  special('sum', 'known', [2, 3], [1, 2, 3, 10, 20, 30], [6, 60]),
  special('max', 'known', [2, 3], [1, 3, 2, -1, -3, -2], [3, -1]),
  special('sum', 'nonFinite', [4, 2], [inf, 1, inf, -inf, nan, 1, -inf, 0], [inf, nan, nan, -inf]),
  special('max', 'infinite', [3, 2], [inf, 1, -inf, -inf, -inf, -5], [inf, -inf, -5]),
  special('max', 'lastElement', [1, 5], [-9, -8, -7, -6, 4], [4]),
  ...shapeCases('sum'),
  ...shapeCases('max'),
  ...[16, 1152, 4608].map(
    (n): OpCase => ({
      kind: 'value',
      op: 'reduce',
      variant: 'sum',
      id: `sum(nonNegative,n=${n})`,
      trial: (rng) => reduceTrial('sum', uniform(rng, [3, n]), -1, 'nonNegative'),
    }),
  ),
  {
    kind: 'value',
    op: 'reduce',
    variant: 'sum',
    id: 'sum(exact)',
    trial: (rng) => reduceTrial('sum', integers(rng, [7, 100, 3], 9), 1, 'exact'),
  },
  property('sum'),
  property('max'),
  {
    kind: 'value',
    op: 'reduce',
    variant: 'sum',
    id: 'sum(everything)',
    trial: (rng) => {
      const x = integers(rng, [3, 4, 5], 9);
      return {
        inputs: [x],
        run: (ops, [t]) => [ops.sum(t!)],
        expected: () => [
          {
            shape: [],
            dtype: 'float32',
            values: Float64Array.of([...x.data].reduce((a, b) => a + b, 0)),
            compare: equal,
          },
        ],
      };
    },
  },
];
