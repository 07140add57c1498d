import { layerNorm, type Shape, softmax } from '@vq4dit/core';
import { finite, floatTensor, shapes } from '../arbitraries.ts';
import { equal, scaled } from '../comparators.ts';
import { bothWays, type Draft } from '../composed-case.ts';
import { floats, gaussian, type HostTensor, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';

/** One output of the input's shape, computed row by row over the last axis. */
function byRows(
  x: HostTensor,
  row: (values: Float64Array) => { values: ArrayLike<number>; magnitude: ArrayLike<number> },
): { values: Float64Array; magnitude: Float64Array } {
  const n = x.shape.at(-1) ?? 1;
  const values = new Float64Array(x.data.length);
  const magnitude = new Float64Array(x.data.length);
  for (let i = 0; i < x.data.length; i += n) {
    const out = row(Float64Array.from(x.data.subarray(i, i + n)));
    values.set(Array.from(out.values), i);
    magnitude.set(Array.from(out.magnitude), i);
  }
  return { values, magnitude };
}

const mean = (values: Float64Array) => values.reduce((a, b) => a + b, 0) / values.length;

/**
 * y_i = exp(x_i - m) / sum_j exp(x_j - m). Rounding x_i - m costs u |x_i - m| relative to y_i, the
 * same holds for the sum on average, and summing n positive terms costs up to n u (a quarter of
 * that at worst in practice).
 */
export function softmaxTrial(x: HostTensor): Trial {
  return {
    description: `softmax of ${x.shape.join('x')} [${[...x.data.slice(0, 8)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [softmax(ops, t!)],
    expected() {
      const { values, magnitude } = byRows(x, (row) => {
        const max = row.reduce((a, b) => Math.max(a, b));
        const powers = row.map((v) => Math.exp(v - max));
        const total = powers.reduce((a, b) => a + b, 0);
        const y = powers.map((p) => p / total);
        const shift = row.reduce((sum, v, i) => sum + y[i]! * (max - v), 0);
        return {
          values: y,
          magnitude: y.map((v, i) => v * (8 + max - row[i]! + shift + row.length / 4)),
        };
      });
      return [{ shape: x.shape, dtype: 'float32', values, compare: scaled(magnitude, 2) }];
    },
  };
}

/**
 * y = (x - mean) / sqrt(variance + epsilon). With A = mean|x|, the centred value is off by a few
 * u (|x| + A), and so is sqrt(variance), relative to itself: the bound below. Variances computed
 * as E[x^2] - E[x]^2 break it when the mean is large.
 */
export function layerNormTrial(x: HostTensor, epsilon: number): Trial {
  return {
    description: `layerNorm of ${x.shape.join('x')} [${[...x.data.slice(0, 8)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [layerNorm(ops, t!, epsilon)],
    expected() {
      const { values, magnitude } = byRows(x, (row) => {
        const centre = mean(row);
        const inverse = 1 / Math.sqrt(mean(row.map((v) => (v - centre) ** 2)) + epsilon);
        const size = mean(row.map(Math.abs));
        const y = row.map((v) => (v - centre) * inverse);
        return {
          values: y,
          magnitude: y.map(
            (v, i) => (Math.abs(row[i]!) + size) * inverse + Math.abs(v) * (1 + size * inverse),
          ),
        };
      });
      return [{ shape: x.shape, dtype: 'float32', values, compare: scaled(magnitude, 16) }];
    },
  };
}

const ROWS: readonly Shape[] = [[1], [7], [3, 5], [5, 1], [17, 33], [2, 3, 4, 16], [2, 1000]];

const softmaxDrafts: Draft[] = [
  {
    op: 'softmax',
    id: 'softmax(known)',
    trial: () => ({
      inputs: [floats([2, 2], [0, 0, 0, Math.log(3)])],
      run: (ops, [x]) => [softmax(ops, x!)],
      expected: () => [
        {
          shape: [2, 2],
          dtype: 'float32',
          values: Float64Array.of(0.5, 0.5, 0.25, 0.75),
          compare: scaled([1, 1, 1, 1], 8),
        },
      ],
    }),
  },
  ...ROWS.map(
    (shape): Draft => ({
      op: 'softmax',
      id: caseId('softmax', { shape }),
      trial: (rng) => softmaxTrial(uniform(rng, shape, -6, 6)),
    }),
  ),
  // exp of these overflows or vanishes unless the maximum is subtracted first.
  {
    op: 'softmax',
    id: 'softmax(large)',
    trial: (rng) => softmaxTrial(floats([4, 6], (i) => (i < 12 ? 1000 : -1000) + 3 * rng.normal())),
  },
  {
    op: 'softmax',
    id: 'softmax(property)',
    trials: shapes(3, 60)
      .filter((shape) => shape.length > 0)
      .chain((shape) => floatTensor(shape, finite(-20, 20)))
      .map(softmaxTrial),
  },
];

const layerNormDrafts: Draft[] = [
  {
    op: 'layerNorm',
    id: 'layerNorm(known)',
    // Mean 3, variance 8 / 3 and an epsilon that makes the divisor 2.
    trial: () => ({
      inputs: [floats([1, 3], [1, 3, 5])],
      run: (ops, [x]) => [layerNorm(ops, x!, 4 - 8 / 3)],
      expected: () => [
        {
          shape: [1, 3],
          dtype: 'float32',
          values: Float64Array.of(-1, 0, 1),
          compare: scaled([1, 1, 1], 8),
        },
      ],
    }),
  },
  ...ROWS.map(
    (shape): Draft => ({
      op: 'layerNorm',
      id: caseId('layerNorm', { shape }),
      trial: (rng) => layerNormTrial(gaussian(rng, shape), 1e-6),
    }),
  ),
  {
    op: 'layerNorm',
    id: 'layerNorm(offset)',
    trial: (rng) =>
      layerNormTrial(
        floats([3, 64], () => 300 + rng.normal()),
        1e-6,
      ),
  },
  {
    op: 'layerNorm',
    id: 'layerNorm(constant)',
    trial: () => ({
      inputs: [floats([2, 8], () => 2)],
      run: (ops, [x]) => [layerNorm(ops, x!, 1e-6)],
      expected: () => [
        { shape: [2, 8], dtype: 'float32', values: new Float64Array(16), compare: equal },
      ],
    }),
  },
  {
    op: 'layerNorm',
    id: 'layerNorm(property)',
    trials: shapes(3, 60)
      .filter((shape) => shape.length > 0)
      .chain((shape) => floatTensor(shape, finite(-20, 20)))
      .map((x) => layerNormTrial(x, 1e-2)),
  },
];

export const normalizationCases: readonly OpCase[] = [...softmaxDrafts, ...layerNormDrafts].flatMap(
  bothWays,
);
