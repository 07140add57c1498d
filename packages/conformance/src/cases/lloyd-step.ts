import { lloydStep, type RandomStream } from '@vq4dit/core';
import fc from 'fast-check';
import { floatTensor } from '../arbitraries.ts';
import { equal, exact, scaled, sumFactor } from '../comparators.ts';
import { bothWays, type Draft } from '../composed-case.ts';
import { floats, type HostTensor, integers } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';
import { nearest } from '../oracle.ts';

/**
 * Sums depend on the assignment, so the data must leave no doubt about it: integers, where distances
 * and sums are exact and ties go to the lowest index, or sub-vectors close to one codeword.
 */
function lloydTrial(x: HostTensor, codebook: HostTensor, isExact: boolean): Trial {
  const [rows, d] = x.shape as [number, number];
  const k = codebook.shape[0]!;
  return {
    description: `lloydStep of x ${rows}x${d} [${[...x.data].join(', ')}], codebook ${k}x${d} [${[...codebook.data].join(', ')}]`,
    inputs: [x, codebook],
    run(ops, [t, c]) {
      const { indices, sums, counts } = lloydStep(ops, t!, c!);
      return [indices, sums, counts];
    },
    expected() {
      const { indices } = nearest(x, codebook, 1);
      const sums = new Float64Array(k * d);
      const sizes = new Float64Array(k * d);
      const counts = new Float64Array(k);
      indices.forEach((codeword, row) => {
        counts[codeword]!++;
        for (let j = 0; j < d; j++) {
          const value = x.data[row * d + j]!;
          sums[codeword * d + j]! += value;
          sizes[codeword * d + j]! += Math.abs(value);
        }
      });
      const compare = isExact ? equal : scaled(sizes, sumFactor('arbitrary', Math.max(...counts)));
      return [
        { shape: [rows], dtype: 'int32', values: indices, compare: exact },
        { shape: [k, d], dtype: 'float32', values: sums, compare },
        { shape: [k], dtype: 'float32', values: counts, compare: equal },
      ];
    },
  };
}

interface Params {
  readonly rows: number;
  readonly k: number;
  readonly d: number;
}

/** Codewords on a grid of spacing 4, around zero, in an order that is none. */
function grid(rng: RandomStream, k: number, d: number): HostTensor {
  const side = Math.ceil(k ** (1 / d) - 1e-9);
  const order = Array.from({ length: k }, (_, i) => i);
  for (let i = k - 1; i > 0; i--) {
    const j = rng.integer(i + 1);
    [order[i], order[j]] = [order[j]!, order[i]!];
  }
  return floats([k, d], (at) => {
    const digit = Math.floor(order[Math.floor(at / d)]! / side ** (at % d)) % side;
    return 4 * (digit - Math.floor(side / 2));
  });
}

/** Around codewords by less than half a unit: every other codeword is at least seven times farther. */
function clustered(rng: RandomStream, rows: number, codebook: HostTensor): HostTensor {
  const [k, d] = codebook.shape as [number, number];
  const chosen = Array.from({ length: rows }, () => rng.integer(k));
  return floats(
    [rows, d],
    (at) => codebook.data[chosen[Math.floor(at / d)]! * d + (at % d)]! + rng.uniform() - 0.5,
  );
}

/** k * d at most about a thousand; coordinates small enough that TF32 leaves no doubt either. */
const CLUSTERED: readonly Params[] = [
  { rows: 1, k: 1, d: 1 },
  { rows: 7, k: 3, d: 1 },
  { rows: 50, k: 16, d: 2 },
  { rows: 33, k: 5, d: 3 },
  { rows: 300, k: 256, d: 4 },
  { rows: 129, k: 64, d: 8 },
  { rows: 1000, k: 2, d: 2 },
];

const EXACT: readonly Params[] = [
  { rows: 63, k: 7, d: 1 },
  { rows: 200, k: 64, d: 2 },
  { rows: 300, k: 256, d: 4 },
  { rows: 40, k: 9, d: 5 },
];

const drafts: Draft[] = [
  {
    op: 'lloydStep',
    id: 'lloydStep(known)',
    // Nearest are codewords 0, 2, 0 and, at equal distance from 0 and 2, codeword 0.
    trial: () =>
      lloydTrial(
        floats([4, 2], [0, 1, 5, 4, -1, 0, 2, 2]),
        floats([3, 2], [0, 0, 9, 9, 4, 4]),
        true,
      ),
  },
  {
    op: 'lloydStep',
    id: 'lloydStep(duplicates)',
    trial: () =>
      lloydTrial(
        floats([3, 2], [0, 0, 2, 2, 1, 0]),
        floats([6, 2], [2, 2, 0, 0, 2, 2, 0, 0, 2, 2, 0, 0]),
        true,
      ),
  },
  ...CLUSTERED.map(
    (p): Draft => ({
      op: 'lloydStep',
      id: caseId('lloydStep', { ...p }),
      trial(rng) {
        const codebook = grid(rng, p.k, p.d);
        return lloydTrial(clustered(rng, p.rows, codebook), codebook, false);
      },
    }),
  ),
  ...EXACT.map(
    (p): Draft => ({
      op: 'lloydStep',
      id: caseId('lloydStep', { exact: true, ...p }),
      trial: (rng) =>
        lloydTrial(integers(rng, [p.rows, p.d], 4), integers(rng, [p.k, p.d], 4), true),
    }),
  ),
  {
    op: 'lloydStep',
    id: 'lloydStep(property)',
    trials: fc
      .record({
        rows: fc.integer({ min: 1, max: 12 }),
        k: fc.integer({ min: 1, max: 6 }),
        d: fc.integer({ min: 1, max: 5 }),
      })
      .chain(({ rows, k, d }) => {
        const value = fc.integer({ min: -4, max: 4 });
        return fc
          .tuple(floatTensor([rows, d], value), floatTensor([k, d], value))
          .map(([x, codebook]) => lloydTrial(x, codebook, true));
      }),
  },
];

export const lloydStepCases: readonly OpCase[] = drafts.flatMap(bothWays);
