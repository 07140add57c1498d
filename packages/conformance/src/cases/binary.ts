import { BINARY_OPS, type BinaryOp, broadcastShapes } from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor, shapes } from '../arbitraries.ts';
import { equal, ulp } from '../comparators.ts';
import { floats, gaussian, type HostTensor } from '../host-tensor.ts';
import { caseId, dims, type OpCase, type Trial } from '../op-case.ts';
import { BINARY_FUNCTIONS, build, element } from '../oracle.ts';

/** Units in the last place: half of one if rounded to nearest. The others do not round. */
const ULPS: Partial<Record<BinaryOp, number>> = { add: 1, sub: 1, mul: 1, div: 2 };

/** Every way in which two shapes can broadcast: none, scalar, row, column, both, ranks apart. */
const BROADCASTS = [
  ['scalar', 'scalar'],
  ['7', '7'],
  ['3x5', 'scalar'],
  ['scalar', '3x5'],
  ['3x5', '5'],
  ['5', '3x5'],
  ['3x5', '1x5'],
  ['3x5', '3x1'],
  ['3x1', '3x5'],
  ['3x1', '1x5'],
  ['1x5', '3x1'],
  ['4x4', '4'],
  ['4x4', '4x1'],
  ['1', '1x1x1'],
  ['2x3x4', '3x1'],
  ['2x3x4', '2x1x4'],
  ['2x1x4', '3x1'],
  ['2x3x4x5', '4x5'],
  ['2x3x4x5', '2x1x1x5'],
  ['2x1x4x1', '1x3x1x5'],
  ['33x31', '33x31'],
] as const;

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

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

/** a, b and the result, in turn. */
const KNOWN: Readonly<Record<BinaryOp, readonly number[]>> = {
  add: [1, 2, 3, 0.5, -0.25, 0.25],
  sub: [1, 2, -1, 0.5, 0.5, 0],
  mul: [3, -2, -6, 0.5, 0.5, 0.25],
  div: [1, 4, 0.25, 1, 3, 0.3333333333333333, -6, 2, -3],
  maximum: [1, 2, 2, -1, -2, -1, 3, 3, 3],
  minimum: [1, 2, 1, -1, -2, -2, 3, 3, 3],
  greater: [1, 2, 0, 2, 1, 1, 1, 1, 0, -1, -2, 1],
};

const SPECIAL: Readonly<Record<BinaryOp, readonly number[]>> = {
  add: [inf, -inf, nan, inf, 1, inf, -inf, -inf, -inf, 3e38, 3e38, inf],
  sub: [inf, inf, nan, 1, inf, -inf, inf, -inf, inf],
  mul: [0, inf, nan, -2, inf, -inf, -inf, -inf, inf, 1e30, -1e30, -inf],
  div: [1, 0, inf, -1, 0, -inf, 0, 0, nan, 1, inf, 0, inf, inf, nan],
  maximum: [inf, 1, inf, -inf, 1, 1, inf, -inf, inf],
  minimum: [inf, 1, 1, -inf, 1, -inf, inf, -inf, -inf],
  greater: [inf, 1, 1, -inf, 1, 0, inf, inf, 0, 0, -0, 0],
};

const WITH_NAN: Readonly<Record<BinaryOp, readonly number[]>> = {
  add: [nan, 1, nan, 1, nan, nan, 1, 1, 2],
  sub: [nan, 1, nan, 1, nan, nan, 1, 1, 0],
  mul: [nan, 0, nan, 0, nan, nan, 1, 1, 1],
  div: [nan, 1, nan, 1, nan, nan, 1, 1, 1],
  maximum: [nan, 1, nan, 1, nan, nan, nan, nan, nan, 1, 2, 2],
  minimum: [nan, 1, nan, 1, nan, nan, nan, nan, nan, 1, 2, 1],
  greater: [nan, 1, 0, 1, nan, 0, nan, nan, 0, 2, 1, 1],
};

const table = (op: BinaryOp, name: string, rows: readonly number[]): OpCase => ({
  kind: 'value',
  op: 'binary',
  variant: op,
  id: `${op}(${name})`,
  trial() {
    const column = (at: number) => rows.filter((_, i) => i % 3 === at);
    const shape = [rows.length / 3];
    return binaryTrial(op, floats(shape, column(0)), floats(shape, column(1)), column(2));
  },
});

function binaryCasesOf(op: BinaryOp): OpCase[] {
  const base = { op: 'binary', variant: op } as const;
  // Divisors stay away from zero, where a quotient has no useful scale.
  const second = (v: number) => (op === 'div' ? Math.sign(v || 1) * (0.1 + Math.abs(v)) : v);
  return [
    table(op, 'known', KNOWN[op]),
    table(op, 'special', SPECIAL[op]),
    table(op, 'NaN', WITH_NAN[op]),
    ...BROADCASTS.map(
      ([a, b]): OpCase => ({
        ...base,
        kind: 'value',
        id: caseId(op, { a, b }),
        trial(rng) {
          const [x, y] = [gaussian(rng, dims(a)), gaussian(rng, dims(b))];
          return binaryTrial(
            op,
            x,
            floats(y.shape, (i) => second(y.data[i]!)),
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

export const binaryCases: readonly OpCase[] = BINARY_OPS.flatMap(binaryCasesOf);
