import {
  BINARY_OPS,
  type BinaryOp,
  broadcastShapes,
  type Shape,
  UNARY_OPS,
  type UnaryOp,
} from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor, shapes } from '../arbitraries.ts';
import { type Comparator, equal, scaled, ulp } from '../comparators.ts';
import { floats, gaussian, type HostTensor, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';
import { BINARY_FUNCTIONS, build, element, UNARY_FUNCTIONS } from '../oracle.ts';

/** Units in the last place for IEEE arithmetic: half of one if rounded to nearest. */
const ULPS: Partial<Record<UnaryOp | BinaryOp, number>> = {
  add: 1,
  sub: 1,
  mul: 1,
  square: 1,
  div: 2,
  reciprocal: 2,
  sqrt: 2,
};

/**
 * For functions that no standard rounds: |x f'(x)|. Their result must be within
 * `TRANSCENDENTAL` u (|f(x)| + |x f'(x)|), that is nearly right for a nearly right argument.
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
  const magnitude = Float64Array.from(x.data, (v) => Math.abs(f(v)) + sensitivity(v));
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
const KNOWN: Readonly<Record<UnaryOp, readonly (readonly [number, number])[]>> = {
  neg: [
    [0, -0],
    [1.5, -1.5],
    [-3, 3],
  ],
  abs: [
    [-2.5, 2.5],
    [0, 0],
    [3, 3],
  ],
  sign: [
    [-7, -1],
    [0, 0],
    [-0, 0],
    [2 ** -10, 1],
  ],
  exp: [
    [0, 1],
    [2, 7.38905609893065],
    [-1, 0.36787944117144233],
    [10, 22026.465794806718],
  ],
  log: [
    [1, 0],
    [3, 1.0986122886681098],
    [5, 1.6094379124341003],
    [0.25, -1.3862943611198906],
  ],
  sqrt: [
    [0, 0],
    [4, 2],
    [3, 1.7320508075688772],
    [0.25, 0.5],
  ],
  square: [
    [-3, 9],
    [0.5, 0.25],
    [0, 0],
  ],
  reciprocal: [
    [4, 0.25],
    [-2, -0.5],
    [3, 0.3333333333333333],
  ],
  sin: [
    [0, 0],
    [1, 0.8414709848078965],
    [-0.5, -0.479425538604203],
  ],
  cos: [
    [0, 1],
    [1, 0.5403023058681398],
    [-0.5, 0.8775825618903728],
  ],
  tanh: [
    [0, 0],
    [1, 0.7615941559557649],
    [-0.5, -0.46211715726001],
    [20, 1],
  ],
  sigmoid: [
    [0, 0.5],
    [1, 0.7310585786300049],
    [-2, 0.11920292202211755],
    [40, 1],
  ],
};

/** Not finite, or with a result that is not; all follow from IEEE 754 and limits. */
const SPECIAL: Readonly<Record<UnaryOp, readonly (readonly [number, number])[]>> = {
  neg: [
    [nan, nan],
    [inf, -inf],
    [-inf, inf],
  ],
  abs: [
    [nan, nan],
    [inf, inf],
    [-inf, inf],
  ],
  sign: [
    [nan, nan],
    [inf, 1],
    [-inf, -1],
  ],
  exp: [
    [nan, nan],
    [inf, inf],
    [-inf, 0],
    [100, inf],
    [-200, 0],
  ],
  log: [
    [nan, nan],
    [inf, inf],
    [0, -inf],
    [-1, nan],
  ],
  sqrt: [
    [nan, nan],
    [inf, inf],
    [-1, nan],
  ],
  square: [
    [nan, nan],
    [inf, inf],
    [-inf, inf],
    [1e30, inf],
  ],
  reciprocal: [
    [nan, nan],
    [inf, 0],
    [-inf, 0],
    [0, inf],
  ],
  sin: [
    [nan, nan],
    [inf, nan],
  ],
  cos: [
    [nan, nan],
    [inf, nan],
  ],
  tanh: [
    [nan, nan],
    [inf, 1],
    [-inf, -1],
    [100, 1],
    [-100, -1],
  ],
  sigmoid: [
    [nan, nan],
    [inf, 1],
    [-inf, 0],
    [100, 1],
    [-200, 0],
  ],
};

/** One element, tails of every vector width, more than one rank. */
const UNARY_SHAPES: readonly Shape[] = [[], [1], [3], [17], [5, 7], [2, 3, 4, 5], [1000]];

function unaryCases(op: UnaryOp): OpCase[] {
  const [min, max] = DOMAIN[op] ?? ORDINARY;
  const base = { op: 'unary', variant: op } as const;
  const table = (name: string, rows: readonly (readonly [number, number])[]): OpCase => ({
    ...base,
    kind: 'value',
    id: `${op}(${name})`,
    trial: () =>
      unaryTrial(
        op,
        floats(
          [rows.length],
          rows.map(([x]) => x),
        ),
        rows.map(([, y]) => y),
      ),
  });
  return [
    table('known', KNOWN[op]),
    table('special', SPECIAL[op]),
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

/** Every way in which two shapes can broadcast: none, scalar, row, column, both, ranks apart. */
const BROADCASTS: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [[7], [7]],
  [[3, 5], []],
  [[], [3, 5]],
  [[3, 5], [5]],
  [[5], [3, 5]],
  [
    [3, 5],
    [1, 5],
  ],
  [
    [3, 5],
    [3, 1],
  ],
  [
    [3, 1],
    [3, 5],
  ],
  [
    [3, 1],
    [1, 5],
  ],
  [
    [1, 5],
    [3, 1],
  ],
  [[4, 4], [4]],
  [
    [4, 4],
    [4, 1],
  ],
  [[1], [1, 1, 1]],
  [
    [2, 3, 4],
    [3, 1],
  ],
  [
    [2, 3, 4],
    [2, 1, 4],
  ],
  [
    [2, 1, 4],
    [3, 1],
  ],
  [
    [2, 3, 4, 5],
    [4, 5],
  ],
  [
    [2, 3, 4, 5],
    [2, 1, 1, 5],
  ],
  [
    [2, 1, 4, 1],
    [1, 3, 1, 5],
  ],
  [
    [33, 31],
    [33, 31],
  ],
];

function binaryTrial(op: BinaryOp, a: HostTensor, b: HostTensor, known?: readonly number[]): Trial {
  const shape = broadcastShapes(a.shape, b.shape, op);
  const f = BINARY_FUNCTIONS[op];
  return {
    description: `${op} of ${a.shape.join('x')} [${[...a.data.slice(0, 4)].join(', ')}] and ${b.shape.join('x')} [${[...b.data.slice(0, 4)].join(', ')}]`,
    inputs: [a, b],
    run: (ops, [x, y]) => [ops.binary(op, x!, y!)],
    expected: () => [
      {
        shape,
        dtype: 'float32',
        values: known
          ? Float64Array.from(known)
          : build(shape, (position) => f(element(a, position), element(b, position))),
        compare: ULPS[op] === undefined ? equal : ulp(ULPS[op]),
      },
    ],
  };
}

/** a, b and the result. */
const BINARY_KNOWN: Readonly<Record<BinaryOp, readonly (readonly [number, number, number])[]>> = {
  add: [
    [1, 2, 3],
    [0.5, -0.25, 0.25],
    [nan, 1, nan],
    [inf, -inf, nan],
    [inf, 1, inf],
  ],
  sub: [
    [1, 2, -1],
    [0.5, 0.5, 0],
    [1, nan, nan],
    [inf, inf, nan],
    [1, inf, -inf],
  ],
  mul: [
    [3, -2, -6],
    [0.5, 0.5, 0.25],
    [0, inf, nan],
    [nan, 0, nan],
    [-2, inf, -inf],
  ],
  div: [
    [1, 4, 0.25],
    [1, 3, 0.3333333333333333],
    [1, 0, inf],
    [-1, 0, -inf],
    [0, 0, nan],
    [1, inf, 0],
  ],
  maximum: [
    [1, 2, 2],
    [-1, -2, -1],
    [nan, 1, nan],
    [1, nan, nan],
    [inf, 1, inf],
    [-inf, 1, 1],
  ],
  minimum: [
    [1, 2, 1],
    [-1, -2, -2],
    [nan, 1, nan],
    [1, nan, nan],
    [inf, 1, 1],
    [-inf, 1, -inf],
  ],
  greater: [
    [1, 2, 0],
    [2, 1, 1],
    [1, 1, 0],
    [nan, 1, 0],
    [1, nan, 0],
    [inf, 1, 1],
    [0, -0, 0],
  ],
};

function binaryCases(op: BinaryOp): OpCase[] {
  const base = { op: 'binary', variant: op } as const;
  const rows = BINARY_KNOWN[op];
  // Divisors stay away from zero, where a quotient has no useful scale.
  const second = (v: number) => (op === 'div' ? Math.sign(v || 1) * (0.1 + Math.abs(v)) : v);
  return [
    {
      ...base,
      kind: 'value',
      id: `${op}(known)`,
      trial: () =>
        binaryTrial(
          op,
          floats(
            [rows.length],
            rows.map(([a]) => a),
          ),
          floats(
            [rows.length],
            rows.map(([, b]) => b),
          ),
          rows.map(([, , y]) => y),
        ),
    },
    ...BROADCASTS.map(
      ([a, b]): OpCase => ({
        ...base,
        kind: 'value',
        id: caseId(op, { a, b }),
        trial: (rng) => {
          const [x, y] = [gaussian(rng, a), gaussian(rng, b)];
          return binaryTrial(
            op,
            x,
            floats(b, (i) => second(y.data[i]!)),
          );
        },
      }),
    ),
    {
      ...base,
      kind: 'property',
      id: `${op}(property)`,
      trials: broadcastPairs()
        .chain(([a, b]) =>
          fc.tuple(floatTensor(a, finite(-30, 30)), floatTensor(b, finite(-30, 30))),
        )
        .map(([a, b]) =>
          binaryTrial(
            op,
            a,
            floats(b.shape, (i) => second(b.data[i]!)),
          ),
        ),
    },
  ];
}

/** Two shapes that broadcast: one shape, some of whose dimensions are 1 or left off on either side. */
function broadcastPairs(): fc.Arbitrary<[number[], number[]]> {
  const squeeze = (shape: readonly number[]) =>
    fc
      .tuple(fc.array(fc.boolean(), { minLength: 4, maxLength: 4 }), fc.nat(shape.length))
      .map(([ones, drop]) => shape.map((dim, i) => (ones[i] ? 1 : dim)).slice(drop));
  return shapes(4, 60).chain((shape) => fc.tuple(squeeze(shape), squeeze(shape)));
}

export const elementwiseCases: readonly OpCase[] = [
  ...UNARY_OPS.flatMap(unaryCases),
  ...BINARY_OPS.flatMap(binaryCases),
];
