import type { Shape } from '@vq4dit/core';
import fc from 'fast-check';
import { floatTensor } from '../arbitraries.ts';
import { assignedDistances, assignment, distanceOracle } from '../assignment.ts';
import { equal, exact } from '../comparators.ts';
import { floats, gaussian, type HostTensor, integers } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';
import { nearest } from '../oracle.ts';

function nearestTrial(x: HostTensor, codebook: HostTensor, n: number, isExact: boolean): Trial {
  const rows = x.shape[0]!;
  const k = codebook.shape[0]!;
  return {
    description: `nearest n=${n}, x ${x.shape.join('x')} [${[...x.data].join(', ')}], codebook ${codebook.shape.join('x')} [${[...codebook.data].join(', ')}]`,
    inputs: [x, codebook],
    run(ops, [t, c]) {
      const { indices, distances } = ops.nearest(t!, c!, n);
      return [indices, distances];
    },
    expected() {
      const { indices, distances } = nearest(x, codebook, n);
      const oracle = distanceOracle(x, codebook);
      const shape = [rows, n];
      return [
        {
          shape,
          dtype: 'int32',
          values: indices,
          compare: isExact ? exact : assignment(oracle, n, k),
        },
        {
          shape,
          dtype: 'float32',
          values: distances,
          compare: isExact ? equal : assignedDistances(oracle, indices, n),
        },
      ];
    },
  };
}

interface NearestParams {
  readonly rows: number;
  readonly k: number;
  readonly d: number;
  readonly n: number;
}

const gaussianNearest = (params: NearestParams): OpCase => ({
  kind: 'value',
  op: 'nearest',
  id: caseId('nearest', { ...params }),
  trial: (rng) =>
    nearestTrial(
      gaussian(rng, [params.rows, params.d]),
      gaussian(rng, [params.k, params.d]),
      params.n,
      false,
    ),
});

/** Integers up to 4: distances are exact in every precision and form, so ties are true ties. */
const integerNearest = (params: NearestParams): OpCase => ({
  kind: 'value',
  op: 'nearest',
  id: caseId('nearest', { exact: true, ...params }),
  trial: (rng) =>
    nearestTrial(
      integers(rng, [params.rows, params.d], 4),
      integers(rng, [params.k, params.d], 4),
      params.n,
      true,
    ),
});

const fixedNearest = (id: string, n: number, x: HostTensor, codebook: HostTensor): OpCase => ({
  kind: 'value',
  op: 'nearest',
  id: `nearest(${id})`,
  trial: () => nearestTrial(x, codebook, n, true),
});

export const nearestCases: readonly OpCase[] = [
  {
    kind: 'value',
    op: 'nearest',
    id: 'nearest(known)',
    // (0, 0) is 1, 4 and 25 from the codewords; (3, 3) is 13, 10 and 1 from them.
    trial: () => ({
      inputs: [floats([2, 2], [0, 0, 3, 3]), floats([3, 2], [1, 0, 0, 2, 3, 4])],
      run(ops, [x, c]) {
        const { indices, distances } = ops.nearest(x!, c!, 2);
        return [indices, distances];
      },
      expected: () => [
        { shape: [2, 2], dtype: 'int32', values: Int32Array.of(0, 1, 2, 1), compare: exact },
        { shape: [2, 2], dtype: 'float32', values: Float64Array.of(1, 4, 1, 10), compare: equal },
      ],
    }),
  },
  fixedNearest('k=1', 1, floats([3, 2], [1, 2, -3, 4, 0, 0]), floats([1, 2], [1, 1])),
  fixedNearest(
    'duplicates,n=3',
    3,
    floats([3, 2], [0, 0, 2, 2, 1, 0]),
    floats([6, 2], [2, 2, 0, 0, 2, 2, 0, 0, 2, 2, 0, 0]),
  ),
  fixedNearest('ties,n=1', 1, floats([2, 1], [0, 5]), floats([4, 1], [1, -1, 4, 6])),
  fixedNearest('ties,n=4', 4, floats([2, 1], [0, 5]), floats([4, 1], [1, -1, 4, 6])),
  fixedNearest(
    'allEqual,n=4',
    4,
    floats([5, 3], () => 1),
    floats([40, 3], () => 2),
  ),
  fixedNearest('n=k', 4, floats([2, 2], [0, 0, 9, 9]), floats([4, 2], [9, 9, 3, 3, 0, 0, 6, 6])),
  fixedNearest('descending,n=3', 3, floats([1, 1], [0]), floats([6, 1], [6, 5, 4, 3, 2, 1])),
  fixedNearest('ascending,n=3', 3, floats([1, 1], [0]), floats([6, 1], [1, 2, 3, 4, 5, 6])),
  ...[1, 2, 3, 4].flatMap((n) => [
    integerNearest({ rows: 50, k: 16, d: 4, n }),
    integerNearest({ rows: 33, k: 256, d: 2, n }),
    gaussianNearest({ rows: 40, k: 64, d: 2, n }),
    gaussianNearest({ rows: 40, k: 256, d: 4, n }),
  ]),
  integerNearest({ rows: 300, k: 7, d: 1, n: 2 }),
  integerNearest({ rows: 5, k: 33, d: 17, n: 2 }),
  gaussianNearest({ rows: 1, k: 1, d: 1, n: 1 }),
  gaussianNearest({ rows: 1000, k: 17, d: 3, n: 1 }),
  gaussianNearest({ rows: 3, k: 1000, d: 8, n: 2 }),
  gaussianNearest({ rows: 129, k: 127, d: 5, n: 3 }),
  {
    kind: 'value',
    op: 'nearest',
    id: 'nearest(offset)',
    // Far from the origin |x|^2 - 2 x.c + |c|^2 cancels; what remains must still be in its bound.
    trial: (rng) => {
      const moved = (shape: Shape) => floats(shape, () => 20 + rng.normal());
      return nearestTrial(moved([40, 4]), moved([32, 4]), 2, false);
    },
  },
  {
    kind: 'property',
    op: 'nearest',
    id: 'nearest(property)',
    trials: fc
      .record({
        rows: fc.integer({ min: 1, max: 8 }),
        k: fc.integer({ min: 1, max: 12 }),
        d: fc.integer({ min: 1, max: 5 }),
        n: fc.integer({ min: 1, max: 4 }),
      })
      .chain(({ rows, k, d, n }) => {
        const small = fc.integer({ min: -3, max: 3 });
        return fc
          .tuple(floatTensor([rows, d], small), floatTensor([k, d], small))
          .map(([x, codebook]) => nearestTrial(x, codebook, Math.min(n, k), true));
      }),
  },
];
