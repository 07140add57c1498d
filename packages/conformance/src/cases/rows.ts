import fc from 'fast-check';
import { finite, floatTensor, indexTensor } from '../arbitraries.ts';
import { equal, exact, scaled, sumFactor } from '../comparators.ts';
import {
  bigInts,
  floats,
  gaussian,
  type HostTensor,
  integers,
  ints,
  labels,
  rowIndices,
} from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';

// ------------------------------------------------------------------ gatherRows

function gatherTrial(x: HostTensor, indices: HostTensor): Trial {
  const d = x.shape[1]!;
  const count = indices.shape[0]!;
  return {
    description: `gatherRows of ${x.shape.join('x')} by [${[...indices.data].join(', ')}]`,
    inputs: [x, indices],
    run: (ops, [t, i]) => [ops.gatherRows(t!, i!)],
    expected() {
      const values = x.dtype === 'int32' ? new Int32Array(count * d) : new Float32Array(count * d);
      for (let i = 0; i < values.length; i++) {
        values[i] = x.data[indices.data[Math.floor(i / d)]! * d + (i % d)]!;
      }
      return [{ shape: [count, d], dtype: x.dtype, values, compare: exact }];
    },
  };
}

const gatherCase = (id: string, x: () => HostTensor, indices: readonly number[]): OpCase => ({
  kind: 'value',
  op: 'gatherRows',
  id: `gatherRows(${id})`,
  trial: () => gatherTrial(x(), ints([indices.length], indices)),
});

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

const gatherCases: readonly OpCase[] = [
  gatherCase('repeated', () => labels([4, 3]), [2, 0, 2, 3, 3, 2]),
  gatherCase('one', () => labels([1, 1]), [0]),
  gatherCase(
    'reversed',
    () => labels([17, 5]),
    Array.from({ length: 17 }, (_, i) => 16 - i),
  ),
  gatherCase('int32', () => bigInts([6, 2]), [5, 0, 0, 3]),
  gatherCase('special', () => floats([3, 2], [nan, 1, inf, -inf, -0, 0]), [2, 1, 0, 2]),
  // Row numbers that half precision cannot tell apart (above 2048).
  gatherCase('manyRows', () => labels([5000, 2]), [4999, 2049, 2050, 2051, 4097, 0, 4095]),
  ...[
    { rows: 7, d: 1, count: 129 },
    { rows: 129, d: 4, count: 33 },
    { rows: 256, d: 4, count: 1000 },
    { rows: 3, d: 257, count: 5 },
  ].map(
    (p): OpCase => ({
      kind: 'value',
      op: 'gatherRows',
      id: caseId('gatherRows', p),
      trial: (rng) => gatherTrial(labels([p.rows, p.d]), rowIndices(rng, [p.count], p.rows)),
    }),
  ),
  {
    kind: 'property',
    op: 'gatherRows',
    id: 'gatherRows(property)',
    trials: fc
      .record({
        rows: fc.integer({ min: 1, max: 12 }),
        d: fc.integer({ min: 1, max: 6 }),
        count: fc.integer({ min: 1, max: 20 }),
        isInt: fc.boolean(),
      })
      .chain(({ rows, d, count, isInt }) =>
        indexTensor([count], rows).map((indices) =>
          gatherTrial(isInt ? bigInts([rows, d]) : labels([rows, d]), indices),
        ),
      ),
  },
];

// ------------------------------------------------------------------ scatterAddRows

function scatterTrial(
  updates: HostTensor,
  indices: HostTensor,
  rows: number,
  isExact: boolean,
): Trial {
  const d = updates.shape[1]!;
  return {
    description: `scatterAddRows of ${updates.shape.join('x')} to ${rows} rows by [${[...indices.data].join(', ')}]`,
    inputs: [updates, indices],
    run: (ops, [u, i]) => [ops.scatterAddRows(u!, i!, rows)],
    expected() {
      const values = new Float64Array(rows * d);
      const magnitude = new Float64Array(rows * d);
      const uses = new Float64Array(rows);
      indices.data.forEach((row, i) => {
        uses[row]!++;
        for (let j = 0; j < d; j++) {
          values[row * d + j]! += updates.data[i * d + j]!;
          magnitude[row * d + j]! += Math.abs(updates.data[i * d + j]!);
        }
      });
      const compare = isExact
        ? equal
        : scaled(magnitude, sumFactor('arbitrary', Math.max(...uses)));
      return [{ shape: [rows, d], dtype: 'float32', values, compare }];
    },
  };
}

const scatterCase = (
  id: string,
  rows: number,
  indices: readonly number[],
  updates: () => HostTensor,
): OpCase => ({
  kind: 'value',
  op: 'scatterAddRows',
  id: `scatterAddRows(${id})`,
  trial: () => scatterTrial(updates(), ints([indices.length], indices), rows, true),
});

const scatterCases: readonly OpCase[] = [
  {
    kind: 'value',
    op: 'scatterAddRows',
    id: 'scatterAddRows(known)',
    trial: () => ({
      inputs: [floats([3, 2], [1, 2, 10, 20, 100, 200]), ints([3], [2, 0, 2])],
      run: (ops, [u, i]) => [ops.scatterAddRows(u!, i!, 4)],
      expected: () => [
        {
          shape: [4, 2],
          dtype: 'float32',
          values: Float64Array.of(10, 20, 0, 0, 101, 202, 0, 0),
          compare: equal,
        },
      ],
    }),
  },
  scatterCase('repeated', 3, [1, 1, 1, 0, 1, 0], () => labels([6, 2])),
  scatterCase('absent', 9, [4], () => labels([1, 3])),
  scatterCase('allToOne', 2, Array(100).fill(1), () => floats([100, 2], (i) => i % 7)),
  scatterCase('one', 1, [0], () => labels([1, 1])),
  scatterCase('permutation', 5, [4, 2, 0, 1, 3], () => labels([5, 4])),
  // A NaN stays in the row it was added to.
  scatterCase('NaN', 3, [0, 1, 1], () => floats([3, 2], [1, 2, nan, 4, 5, inf])),
  scatterCase('manyRows', 5000, [4999, 2049, 2050, 4999], () => labels([4, 2])),
  ...[
    { count: 1000, d: 4, rows: 256 },
    { count: 129, d: 1, rows: 7 },
    { count: 33, d: 17, rows: 63 },
  ].flatMap((p): OpCase[] => [
    {
      kind: 'value',
      op: 'scatterAddRows',
      id: caseId('scatterAddRows', p),
      trial: (rng) =>
        scatterTrial(
          gaussian(rng, [p.count, p.d]),
          rowIndices(rng, [p.count], p.rows),
          p.rows,
          false,
        ),
    },
    {
      kind: 'value',
      op: 'scatterAddRows',
      id: caseId('scatterAddRows', { exact: true, ...p }),
      trial: (rng) =>
        scatterTrial(
          integers(rng, [p.count, p.d], 5),
          rowIndices(rng, [p.count], p.rows),
          p.rows,
          true,
        ),
    },
  ]),
  {
    kind: 'property',
    op: 'scatterAddRows',
    id: 'scatterAddRows(property)',
    trials: fc
      .record({
        rows: fc.integer({ min: 1, max: 6 }),
        d: fc.integer({ min: 1, max: 4 }),
        count: fc.integer({ min: 1, max: 20 }),
      })
      .chain(({ rows, d, count }) =>
        fc
          .tuple(floatTensor([count, d], finite(-30, 30)), indexTensor([count], rows))
          .map(([updates, indices]) => scatterTrial(updates, indices, rows, false)),
      ),
  },
];

export const rowCases: readonly OpCase[] = [...gatherCases, ...scatterCases];
