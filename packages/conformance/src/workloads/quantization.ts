import { lloydStep } from '@vq4dit/core';
import { assignedDistances, assignment, distanceOracle } from '../assignment.ts';
import { adamwTrial } from '../cases/adamw.ts';
import { rmspropTrial } from '../cases/rmsprop.ts';
import { softReconstructGradTrial, softReconstructTrial } from '../cases/soft-reconstruct.ts';
import { equal, scaled, sumFactor, type Values } from '../comparators.ts';
import { floats, gaussian, type HostTensor, rowIndices, uniform } from '../host-tensor.ts';
import type { Limits } from '../limits.ts';
import { nearest } from '../oracle.ts';
import { bytesOf, fullyJudged, type Workload } from './workload.ts';

/** fc1 or fc2 of DiT-XL/2 at 2 bits: 4608 x 1152 weights as sub-vectors of 4, 256 codewords. */
const ROWS = (4608 * 1152) / 4;
const K = 256;
const D = 4;
const SIZE = `rows=${ROWS},k=${K},d=${D}`;

/** Every row in 2654 is judged; a prime, so that no pattern of blocks or lanes escapes. */
const STEP = 2657;

/** Indices and, where given, distances of single rows of x [rows, d]. */
function judgeAssignment(
  [x, codebook]: readonly [HostTensor, HostTensor],
  indices: Values,
  distances: Values | undefined,
  n: number,
  limits: Limits,
): string | undefined {
  if (indices.length !== ROWS * n) return `${indices.length} indices, expected ${ROWS * n}`;
  const stray = indices.findIndex((i) => !(i >= 0 && i < K));
  if (stray >= 0) return `index ${indices[stray]} at ${stray} is not a codeword`;
  const rows = Array.from({ length: Math.ceil(ROWS / STEP) }, (_, i) => i * STEP);
  const some = floats([rows.length, D], (at) => x.data[rows[Math.floor(at / D)]! * D + (at % D)]!);
  const pick = (from: Values) =>
    Float64Array.from({ length: rows.length * n }, (_, i) => {
      return from[rows[Math.floor(i / n)]! * n + (i % n)]!;
    });
  const want = nearest(some, codebook, n);
  const oracle = distanceOracle(some, codebook);
  const wrong = assignment(oracle, n, K)(pick(indices), want.indices, limits);
  if (wrong !== undefined || !distances) return wrong;
  return assignedDistances(oracle, want.indices, n)(pick(distances), want.distances, limits);
}

/** Three operations (difference, square, sum) for each coordinate of each codeword and row. */
const DISTANCE_FLOPS = 3 * ROWS * K * D;

const nearestWorkload = (n: number): Workload => ({
  op: 'nearest',
  params: `${SIZE},n=${n}`,
  flops: DISTANCE_FLOPS,
  bytes: 4 * (ROWS * D + K * D + 2 * ROWS * n),
  make(rng) {
    const given = [gaussian(rng, [ROWS, D]), gaussian(rng, [K, D])] as const;
    return {
      inputs: given,
      run(ops, [x, c]) {
        const { indices, distances } = ops.nearest(x!, c!, n);
        return [indices, distances];
      },
      judge: ([indices, distances], limits) =>
        judgeAssignment(given, indices!, distances, n, limits),
    };
  },
});

const lloydWorkload: Workload = {
  op: 'lloydStep',
  params: SIZE,
  flops: DISTANCE_FLOPS,
  bytes: 4 * (2 * ROWS * D + 2 * K * D + ROWS + K),
  make(rng) {
    const given = [gaussian(rng, [ROWS, D]), gaussian(rng, [K, D])] as const;
    return {
      inputs: given,
      run(ops, [x, c]) {
        const { indices, sums, counts } = lloydStep(ops, x!, c!);
        return [indices, sums, counts];
      },
      judge([indices, sums, counts], limits) {
        const wrong = judgeAssignment(given, indices!, undefined, 1, limits);
        if (wrong !== undefined) return wrong;
        if (sums!.length !== K * D || counts!.length !== K) {
          return `${sums!.length} sums and ${counts!.length} counts, expected ${K * D} and ${K}`;
        }
        // Sums and counts must be those of the assignment that was given. The rows of a codeword
        // lie around it, so their sum behaves like one of numbers of one sign.
        const [total, size] = [new Float64Array(K * D), new Float64Array(K * D)];
        const uses = new Float64Array(K);
        indices!.forEach((codeword, row) => {
          uses[codeword]!++;
          for (let j = 0; j < D; j++) {
            const value = given[0].data[row * D + j]!;
            total[codeword * D + j]! += value;
            size[codeword * D + j]! += Math.abs(value);
          }
        });
        const compare = scaled(size, sumFactor('nonNegative', Math.max(...uses)));
        return equal(counts!, uses, limits) ?? compare(sums!, total, limits);
      },
    };
  },
};

const soft = (gradient: boolean): Workload => ({
  op: gradient ? 'softReconstructGrad' : 'softReconstruct',
  params: `${SIZE},n=2`,
  bytes: 4 * (ROWS * (D + 2 + 2 + (gradient ? 2 : 0)) + (gradient ? 2 : 1) * K * D),
  make(rng) {
    const parts = {
      codebook: gaussian(rng, [K, D]),
      candidates: rowIndices(rng, [ROWS, 2], K),
      ratios: uniform(rng, [ROWS, 2]),
    };
    return fullyJudged(
      gradient
        ? softReconstructGradTrial(parts, gaussian(rng, [ROWS, D]), 'gaussian')
        : softReconstructTrial(parts),
    );
  },
});

const RMSPROP = { learningRate: 0.05, decay: 0.99, epsilon: 1e-8 };
const ADAMW = { learningRate: 1e-3, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0.01 };

export const quantizationWorkloads: readonly Workload[] = [
  nearestWorkload(1),
  nearestWorkload(2),
  lloydWorkload,
  soft(false),
  soft(true),
  {
    op: 'rmspropStep',
    params: `shape=${ROWS}x2`,
    bytes: 5 * bytesOf(2 * ROWS),
    make(rng) {
      const shape = [ROWS, 2];
      const [value, grad] = [gaussian(rng, shape), gaussian(rng, shape)];
      return fullyJudged(rmspropTrial(value, grad, uniform(rng, shape), RMSPROP));
    },
  },
  {
    op: 'adamwStep',
    params: 'shape=1152x1152',
    bytes: 7 * bytesOf(1152 * 1152),
    make(rng) {
      const shape = [1152, 1152];
      const [value, grad, mean] = [
        gaussian(rng, shape),
        gaussian(rng, shape),
        gaussian(rng, shape),
      ];
      const state = { value, grad, mean, square: uniform(rng, shape) };
      return fullyJudged(adamwTrial(state, { ...ADAMW, step: 10 }));
    },
  },
];
