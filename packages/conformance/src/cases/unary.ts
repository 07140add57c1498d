import { type Shape, UNARY_OPS, type UnaryOp } from '@vq4dit/core';
import { finite, floatTensor, shapes } from '../arbitraries.ts';
import { type Comparator, equal, scaled, ulp } from '../comparators.ts';
import { floats, type HostTensor, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';
import { UNARY_FUNCTIONS } from '../oracle.ts';

/** Units in the last place for IEEE arithmetic: half of one if rounded to nearest. */
const ULPS: Partial<Record<UnaryOp, number>> = { square: 1, reciprocal: 2, sqrt: 2 };

/**
 * For functions that no standard rounds: |x f'(x)|. Their result must be within
 * `TRANSCENDENTAL` u (|f(x)| + |x f'(x)|), that is nearly right for a nearly right argument.
 * Sine and cosine get 1 in place of |f(x)|: libraries and graphics standards reduce the argument
 * first and bound the absolute error only.
 */
const SENSITIVITY: Partial<Record<UnaryOp, (x: number) => number>> = {
  exp: (x) => Math.abs(x) * Math.exp(x),
  log: () => 1,
  sin: (x) => Math.abs(x * Math.cos(x)),
  cos: (x) => Math.abs(x * Math.sin(x)),
  tanh: (x) => Math.abs(x) / Math.cosh(x) ** 2,
  sigmoid: (x) => Math.abs(x) / (2 * Math.cosh(x / 2)) ** 2,
};
const TRANSCENDENTAL = 8;

/** Where each function is tried on ordinary data. */
const DOMAIN: Partial<Record<UnaryOp, readonly [number, number]>> = {
  exp: [-10, 10],
  log: [0.01, 100],
  sqrt: [0, 100],
  reciprocal: [0.1, 10],
  sin: [-10, 10],
  cos: [-10, 10],
};
const ORDINARY = [-5, 5] as const;

function comparatorOf(op: UnaryOp, x: HostTensor): Comparator {
  const sensitivity = SENSITIVITY[op];
  if (!sensitivity) return ULPS[op] === undefined ? equal : ulp(ULPS[op]);
  const f = UNARY_FUNCTIONS[op];
  const size = op === 'sin' || op === 'cos' ? () => 1 : (v: number) => Math.abs(f(v));
  const magnitude = Float64Array.from(x.data, (v) => size(v) + sensitivity(v));
  return scaled(magnitude, TRANSCENDENTAL);
}

function unaryTrial(op: UnaryOp, x: HostTensor, values?: readonly number[]): Trial {
  return {
    description: `${op} of ${x.shape.join('x')} [${[...x.data.slice(0, 8)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [ops.unary(op, t!)],
    expected: () => [
      {
        shape: x.shape,
        dtype: 'float32',
        values: values ? Float64Array.from(values) : Float64Array.from(x.data, UNARY_FUNCTIONS[op]),
        compare: comparatorOf(op, x),
      },
    ],
  };
}

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** Arguments with results known beforehand (to 14 digits or more, from tables). */
const KNOWN: Readonly<Record<UnaryOp, readonly number[]>> = {
  neg: [0, -0, 1.5, -1.5, -3, 3],
  abs: [-2.5, 2.5, 0, 0, 3, 3],
  sign: [-7, -1, 0, 0, -0, 0, 2 ** -10, 1],
  exp: [0, 1, 2, 7.38905609893065, -1, 0.36787944117144233, 10, 22026.465794806718],
  log: [1, 0, 3, 1.0986122886681098, 5, 1.6094379124341003, 0.25, -1.3862943611198906],
  sqrt: [0, 0, 4, 2, 3, 1.7320508075688772, 0.25, 0.5],
  square: [-3, 9, 0.5, 0.25, 0, 0],
  reciprocal: [4, 0.25, -2, -0.5, 3, 0.3333333333333333],
  sin: [0, 0, 1, 0.8414709848078965, -0.5, -0.479425538604203],
  cos: [0, 1, 1, 0.5403023058681398, -0.5, 0.8775825618903728],
  tanh: [0, 0, 1, 0.7615941559557649, -0.5, -0.46211715726001, 20, 1],
  sigmoid: [0, 0.5, 1, 0.7310585786300049, -2, 0.11920292202211755, 40, 1],
};

/** Not finite, or with a result that is not; all follow from IEEE 754 and limits. */
const SPECIAL: Readonly<Record<UnaryOp, readonly number[]>> = {
  neg: [inf, -inf, -inf, inf],
  abs: [inf, inf, -inf, inf],
  sign: [inf, 1, -inf, -1],
  exp: [inf, inf, -inf, 0, 100, inf, -200, 0],
  log: [inf, inf, 0, -inf, -1, nan],
  sqrt: [inf, inf, -1, nan],
  square: [inf, inf, -inf, inf, 1e30, inf],
  reciprocal: [inf, 0, -inf, 0, 0, inf],
  sin: [inf, nan],
  cos: [inf, nan],
  tanh: [inf, 1, -inf, -1, 100, 1, -100, -1],
  sigmoid: [inf, 1, -inf, 0, 100, 1, -200, 0],
};

/** One element, tails of every vector width, more than one rank. */
const UNARY_SHAPES: readonly Shape[] = [[], [1], [3], [17], [5, 7], [2, 3, 4, 5], [1000]];

/** Arguments and results in turn. */
const table = (op: UnaryOp, name: string, rows: readonly number[]): OpCase => ({
  kind: 'value',
  op: 'unary',
  variant: op,
  id: `${op}(${name})`,
  trial: () =>
    unaryTrial(
      op,
      floats([rows.length / 2], (i) => rows[2 * i]!),
      rows.filter((_, i) => i % 2 === 1),
    ),
});

function unaryCasesOf(op: UnaryOp): OpCase[] {
  const [min, max] = DOMAIN[op] ?? ORDINARY;
  const base = { op: 'unary', variant: op } as const;
  return [
    table(op, 'known', KNOWN[op]),
    table(op, 'special', SPECIAL[op]),
    {
      ...base,
      kind: 'value',
      id: `${op}(NaN)`,
      // NaN stays, and its neighbours do not change.
      trial: () => unaryTrial(op, floats([6], [1, nan, 0.5, 2, nan, 1])),
    },
    ...UNARY_SHAPES.map(
      (shape): OpCase => ({
        ...base,
        kind: 'value',
        id: caseId(op, { shape }),
        trial: (rng) => unaryTrial(op, uniform(rng, shape, min, max)),
      }),
    ),
    {
      ...base,
      kind: 'property',
      id: `${op}(property)`,
      trials: shapes(4, 60)
        .chain((shape) => floatTensor(shape, finite(min, max)))
        .map((x) => unaryTrial(op, x)),
    },
  ];
}

export const unaryCases: readonly OpCase[] = UNARY_OPS.flatMap(unaryCasesOf);
