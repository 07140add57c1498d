import {
  gelu,
  layerNorm,
  type RmspropOptions,
  rmspropStep,
  type Shape,
  silu,
  softmax,
  softReconstruct,
  softReconstructGradOp,
} from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor, indexTensor, shapes } from '../arbitraries.ts';
import { equal, scaled, sumFactor } from '../comparators.ts';
import { floats, gaussian, type HostTensor, ints, rowIndices, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';
import { UNARY_FUNCTIONS } from '../oracle.ts';

/**
 * Composed operations against their formulas in float64. Each case comes twice: as the backend does
 * it (`fused` where it can) and composed by core from the required kernels.
 */

const sigmoid = UNARY_FUNCTIONS.sigmoid;

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
function softmaxTrial(x: HostTensor): Trial {
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
function layerNormTrial(x: HostTensor, epsilon: number): Trial {
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

/** x sigmoid(2u). The form with tanh cancels for negative x, so the scale is |x|, not |y|. */
function geluTrial(x: HostTensor): Trial {
  return {
    description: `gelu of [${[...x.data.slice(0, 8)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [gelu(ops, t!)],
    expected() {
      const values = Float64Array.from(
        x.data,
        (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
      );
      const compare = scaled(x.data.map(Math.abs), 8);
      return [{ shape: x.shape, dtype: 'float32', values, compare }];
    },
  };
}

function siluTrial(x: HostTensor): Trial {
  return {
    description: `silu of [${[...x.data.slice(0, 8)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [silu(ops, t!)],
    expected() {
      const values = Float64Array.from(x.data, (v) => v * sigmoid(v));
      const magnitude = Float64Array.from(
        x.data,
        (v) => Math.abs(v * sigmoid(v)) * (1 + Math.abs(v) * sigmoid(-v)),
      );
      return [{ shape: x.shape, dtype: 'float32', values, compare: scaled(magnitude, 8) }];
    },
  };
}

interface SoftInputs {
  readonly codebook: HostTensor;
  readonly candidates: HostTensor;
  readonly ratios: HostTensor;
}

function softReconstructTrial({ codebook, candidates, ratios }: SoftInputs): Trial {
  const [rows, n] = candidates.shape as [number, number];
  const d = codebook.shape[1]!;
  return {
    description: `softReconstruct of ${codebook.shape.join('x')} by ${rows}x${n}`,
    inputs: [codebook, candidates, ratios],
    run: (ops, [c, a, r]) => [softReconstruct(ops, c!, a!, r!)],
    expected() {
      const values = new Float64Array(rows * d);
      const magnitude = new Float64Array(rows * d);
      for (let i = 0; i < rows * n; i++) {
        for (let j = 0; j < d; j++) {
          const term = ratios.data[i]! * codebook.data[candidates.data[i]! * d + j]!;
          values[Math.floor(i / n) * d + j]! += term;
          magnitude[Math.floor(i / n) * d + j]! += Math.abs(term);
        }
      }
      const compare = scaled(magnitude, sumFactor('arbitrary', n));
      return [{ shape: [rows, d], dtype: 'float32', values, compare }];
    },
  };
}

function softReconstructGradTrial(
  { codebook, candidates, ratios }: SoftInputs,
  grad: HostTensor,
): Trial {
  const [rows, n] = candidates.shape as [number, number];
  const [k, d] = codebook.shape as [number, number];
  return {
    description: `softReconstructGrad of ${codebook.shape.join('x')} by ${rows}x${n}`,
    inputs: [codebook, candidates, ratios, grad],
    run: (ops, inputs) => ops.composed(softReconstructGradOp, inputs, undefined),
    expected() {
      const codebookGrad = new Float64Array(k * d);
      const codebookSize = new Float64Array(k * d);
      const ratiosGrad = new Float64Array(rows * n);
      const ratiosSize = new Float64Array(rows * n);
      const uses = new Float64Array(k);
      for (let i = 0; i < rows * n; i++) {
        const codeword = candidates.data[i]!;
        uses[codeword]!++;
        for (let j = 0; j < d; j++) {
          const g = grad.data[Math.floor(i / n) * d + j]!;
          codebookGrad[codeword * d + j]! += ratios.data[i]! * g;
          codebookSize[codeword * d + j]! += Math.abs(ratios.data[i]! * g);
          ratiosGrad[i]! += codebook.data[codeword * d + j]! * g;
          ratiosSize[i]! += Math.abs(codebook.data[codeword * d + j]! * g);
        }
      }
      const forCodebook = sumFactor('arbitrary', Math.max(...uses));
      return [
        {
          shape: [k, d],
          dtype: 'float32',
          values: codebookGrad,
          compare: scaled(codebookSize, forCodebook),
        },
        {
          shape: [rows, n],
          dtype: 'float32',
          values: ratiosGrad,
          compare: scaled(ratiosSize, sumFactor('arbitrary', d)),
        },
      ];
    },
  };
}

/** s' = a s + (1 - a) g^2 and v' = v - lr g / (sqrt(s') + eps): a handful of roundings each. */
function rmspropTrial(
  value: HostTensor,
  grad: HostTensor,
  square: HostTensor,
  options: RmspropOptions,
): Trial {
  return {
    description: `rmspropStep ${JSON.stringify(options)}, g [${[...grad.data.slice(0, 4)].join(', ')}], s [${[...square.data.slice(0, 4)].join(', ')}]`,
    inputs: [value, grad, square],
    run(ops, [v, g, s]) {
      const next = rmspropStep(ops, v!, g!, s!, options);
      return [next.value, next.square];
    },
    expected() {
      const { learningRate, decay, epsilon } = options;
      const squares = Float64Array.from(
        square.data,
        (s, i) => decay * s + (1 - decay) * grad.data[i]! ** 2,
      );
      const steps = squares.map(
        (s, i) => (learningRate * grad.data[i]!) / (Math.sqrt(s) + epsilon),
      );
      const values = steps.map((step, i) => value.data[i]! - step);
      const sizes = steps.map((step, i) => Math.abs(value.data[i]!) + 4 * Math.abs(step));
      const { shape } = value;
      return [
        { shape, dtype: 'float32', values, compare: scaled(sizes, 4) },
        { shape, dtype: 'float32', values: squares, compare: scaled(squares, 8) },
      ];
    },
  };
}

type Draft =
  | { op: FusedOp; id: string; trial: (rng: Parameters<typeof gaussian>[0]) => Trial }
  | { op: FusedOp; id: string; trials: fc.Arbitrary<Trial> };
type FusedOp =
  | 'softmax'
  | 'layerNorm'
  | 'gelu'
  | 'silu'
  | 'softReconstruct'
  | 'softReconstructGrad'
  | 'rmspropStep';

/** The case, and the same one composed. */
function both(draft: Draft): OpCase[] {
  const { op } = draft;
  const make = (id: string, fused: boolean): OpCase =>
    'trials' in draft
      ? { kind: 'property', op, id, fused, trials: draft.trials }
      : { kind: 'value', op, id, fused, trial: draft.trial };
  return [make(draft.id, true), make(draft.id.replace(/\)$/, ',composed)'), false)];
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

const ELEMENTWISE: readonly Shape[] = [[], [1], [7], [17, 33], [2, 3, 4, 5]];

const activationDrafts: Draft[] = (
  [
    ['gelu', geluTrial],
    ['silu', siluTrial],
  ] as const
).flatMap(([op, trial]): Draft[] => [
  ...ELEMENTWISE.map(
    (shape): Draft => ({
      op,
      id: caseId(op, { shape }),
      trial: (rng) => trial(uniform(rng, shape, -5, 5)),
    }),
  ),
  // Every region: both tails, the bend, around zero. The forms of GELU differ most near |x| = 2.
  {
    op,
    id: `${op}(sweep)`,
    trial: () => trial(floats([241], (i) => (i - 120) / 10)),
  },
  {
    op,
    id: `${op}(property)`,
    trials: shapes(3, 40)
      .chain((shape) => floatTensor(shape, finite(-12, 12)))
      .map(trial),
  },
]);

const SOFT_PARAMS = [
  { rows: 1, n: 1, k: 1, d: 1 },
  { rows: 5, n: 2, k: 4, d: 3 },
  { rows: 129, n: 2, k: 256, d: 4 },
  { rows: 63, n: 4, k: 16, d: 2 },
  { rows: 300, n: 3, k: 7, d: 5 },
];

const softDrafts: Draft[] = [
  {
    op: 'softReconstruct',
    id: 'softReconstruct(known)',
    trial: () => ({
      inputs: [
        floats([3, 2], [1, 2, 10, 20, 100, 200]),
        ints([2, 2], [0, 1, 2, 2]),
        floats([2, 2], [0.5, 0.5, 0.25, 0.75]),
      ],
      run: (ops, [c, a, r]) => [softReconstruct(ops, c!, a!, r!)],
      expected: () => [
        {
          shape: [2, 2],
          dtype: 'float32',
          values: Float64Array.of(5.5, 11, 100, 200),
          compare: equal,
        },
      ],
    }),
  },
  {
    op: 'softReconstructGrad',
    id: 'softReconstructGrad(known)',
    trial: () => ({
      inputs: [
        floats([3, 2], [1, 2, 10, 20, 100, 200]),
        ints([2, 2], [0, 1, 1, 1]),
        floats([2, 2], [0.5, 0.5, 0.25, 0.75]),
        floats([2, 2], [2, 4, -8, 0]),
      ],
      run: (ops, inputs) => ops.composed(softReconstructGradOp, inputs, undefined),
      expected: () => [
        {
          shape: [3, 2],
          dtype: 'float32',
          values: Float64Array.of(1, 2, -7, 2, 0, 0),
          compare: equal,
        },
        {
          shape: [2, 2],
          dtype: 'float32',
          values: Float64Array.of(10, 100, -80, -80),
          compare: equal,
        },
      ],
    }),
  },
  ...SOFT_PARAMS.flatMap((p): Draft[] => {
    const inputs = (rng: Parameters<typeof gaussian>[0]): SoftInputs => ({
      codebook: gaussian(rng, [p.k, p.d]),
      candidates: rowIndices(rng, [p.rows, p.n], p.k),
      ratios: uniform(rng, [p.rows, p.n]),
    });
    return [
      {
        op: 'softReconstruct',
        id: caseId('softReconstruct', p),
        trial: (rng) => softReconstructTrial(inputs(rng)),
      },
      {
        op: 'softReconstructGrad',
        id: caseId('softReconstructGrad', p),
        trial: (rng) => softReconstructGradTrial(inputs(rng), gaussian(rng, [p.rows, p.d])),
      },
    ];
  }),
  ...(['softReconstruct', 'softReconstructGrad'] as const).map(
    (op): Draft => ({
      op,
      id: `${op}(property)`,
      trials: fc
        .record({
          rows: fc.integer({ min: 1, max: 6 }),
          n: fc.integer({ min: 1, max: 4 }),
          k: fc.integer({ min: 1, max: 5 }),
          d: fc.integer({ min: 1, max: 4 }),
        })
        .chain(({ rows, n, k, d }) =>
          fc
            .tuple(
              floatTensor([k, d], finite(-8, 8)),
              indexTensor([rows, n], k),
              floatTensor([rows, n], finite(0, 1)),
              floatTensor([rows, d], finite(-8, 8)),
            )
            .map(([codebook, candidates, ratios, grad]) => {
              const inputs = { codebook, candidates, ratios };
              return op === 'softReconstruct'
                ? softReconstructTrial(inputs)
                : softReconstructGradTrial(inputs, grad);
            }),
        ),
    }),
  ),
];

const RMSPROP: RmspropOptions = { learningRate: 0.01, decay: 0.99, epsilon: 1e-8 };

const rmspropDrafts: Draft[] = [
  {
    op: 'rmspropStep',
    id: 'rmspropStep(known)',
    // s' = 0.5 * 2 + 0.5 * 16 = 9; v' = 1 - 0.5 * 4 / (3 + 1) = 0.5
    trial: () => ({
      inputs: [floats([1], [1]), floats([1], [4]), floats([1], [2])],
      run(ops, [v, g, s]) {
        const options = { learningRate: 0.5, decay: 0.5, epsilon: 1 };
        const next = rmspropStep(ops, v!, g!, s!, options);
        return [next.value, next.square];
      },
      expected: () => [
        { shape: [1], dtype: 'float32', values: Float64Array.of(0.5), compare: equal },
        { shape: [1], dtype: 'float32', values: Float64Array.of(9), compare: equal },
      ],
    }),
  },
  {
    op: 'rmspropStep',
    id: 'rmspropStep(firstStep)',
    // No history yet, and gradients of very different sizes: epsilon must be outside the root.
    trial: () =>
      rmspropTrial(
        floats([6], () => 1),
        floats([6], [1, -1, 1e-3, -1e-6, 1e-7, 0]),
        floats([6], () => 0),
        RMSPROP,
      ),
  },
  ...ELEMENTWISE.map(
    (shape): Draft => ({
      op: 'rmspropStep',
      id: caseId('rmspropStep', { shape }),
      trial: (rng) =>
        rmspropTrial(gaussian(rng, shape), gaussian(rng, shape), uniform(rng, shape), RMSPROP),
    }),
  ),
  {
    op: 'rmspropStep',
    id: 'rmspropStep(property)',
    trials: shapes(3, 40).chain((shape) =>
      fc
        .tuple(
          floatTensor(shape, finite(-8, 8)),
          floatTensor(shape, finite(-8, 8)),
          floatTensor(shape, finite(0, 8)),
          fc.record({
            learningRate: fc.constantFrom(1e-4, 0.01, 0.5),
            decay: fc.constantFrom(0, 0.5, 0.9, 0.99),
            epsilon: fc.constantFrom(1e-8, 1e-3, 1),
          }),
        )
        .map(([v, g, s, options]) => rmspropTrial(v, g, s, options)),
    ),
  },
];

export const fusedCases: readonly OpCase[] = [
  ...softmaxDrafts,
  ...layerNormDrafts,
  ...activationDrafts,
  ...softDrafts,
  ...rmspropDrafts,
].flatMap(both);
