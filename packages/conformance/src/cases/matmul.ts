import type { Shape } from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor } from '../arbitraries.ts';
import { type DataClass, equal, scaled, sumFactor } from '../comparators.ts';
import { floats, gaussian, type HostTensor, integers, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';
import { matmul } from '../oracle.ts';

interface Params {
  readonly b?: number;
  readonly m: number;
  readonly k: number;
  readonly n: number;
  readonly ta?: boolean;
  readonly tb?: boolean;
}

const shapeA = ({ b = 1, m, k, ta }: Params): Shape => [b, ...(ta ? [k, m] : [m, k])];
const shapeB = ({ b = 1, k, n, tb }: Params): Shape => [b, ...(tb ? [n, k] : [k, n])];

function matmulTrial(
  params: Params,
  a: HostTensor,
  b: HostTensor,
  data: DataClass | 'exact' | 'nonFinite',
): Trial {
  const { m, k, n, ta = false, tb = false } = params;
  const shape = [params.b ?? 1, m, n];
  return {
    description: caseId('matmul', { ...params }),
    inputs: [a, b],
    run: (ops, [x, y]) => [ops.matmul(x!, y!, { transposeA: ta, transposeB: tb })],
    expected() {
      const { values, magnitude } = matmul(a, b, ta, tb);
      const isExact = data === 'exact' || data === 'nonFinite';
      const compare = isExact
        ? equal
        : scaled(magnitude, sumFactor(data, k), {
            product: true,
            // A single sum can cancel to almost nothing; over many the mean is steady.
            nmse: data === 'gaussian' && values.length >= 64,
          });
      return [{ shape, dtype: 'float32', values, compare }];
    },
  };
}

const gaussianCase = (params: Params): OpCase => ({
  kind: 'value',
  op: 'matmul',
  id: caseId('matmul', { ...params }),
  trial: (rng) =>
    matmulTrial(params, gaussian(rng, shapeA(params)), gaussian(rng, shapeB(params)), 'gaussian'),
});

const TRANSPOSES = [
  { ta: false, tb: false },
  { ta: false, tb: true },
  { ta: true, tb: false },
  { ta: true, tb: true },
];

/** Around the widths of vectors, tiles and thread blocks. */
const EDGES = [1, 2, 3, 5, 7, 15, 16, 17, 31, 33, 63, 127, 129];

function shapeCases(): OpCase[] {
  const list: Params[] = [];
  for (const transposes of TRANSPOSES) {
    list.push({ m: 1, k: 1, n: 1, ...transposes });
    list.push({ b: 1, m: 5, k: 7, n: 3, ...transposes });
    list.push({ b: 2, m: 5, k: 7, n: 3, ...transposes });
    list.push({ b: 3, m: 16, k: 17, n: 33, ...transposes });
  }
  EDGES.forEach((edge, i) => {
    const transposes = (step: number) => TRANSPOSES[(i + step) % TRANSPOSES.length]!;
    list.push({ m: edge, k: 6, n: 4, ...transposes(0) });
    list.push({ m: 4, k: edge, n: 6, ...transposes(1) });
    list.push({ m: 6, k: 4, n: edge, ...transposes(2) });
    if (edge > 1 && edge !== 127) list.push({ m: edge, k: edge, n: edge, ...transposes(3) });
  });
  // Of real layers: hidden size 1152, and 1000 that no power of two divides well.
  list.push({ m: 3, k: 1152, n: 8, tb: true }, { m: 8, k: 1152, n: 3, ta: true });
  list.push({ m: 16, k: 8, n: 1152 }, { m: 1152, k: 8, n: 2, tb: true });
  list.push({ b: 2, m: 1000, k: 4, n: 3 }, { m: 9, k: 1000, n: 9, ta: true, tb: true });
  list.push({ b: 12, m: 16, k: 8, n: 16, tb: true }, { b: 33, m: 1, k: 3, n: 1 });
  const cases = list.map(gaussianCase);
  return cases.filter((c, i) => cases.findIndex((other) => other.id === c.id) === i);
}

/** Sums of positive numbers do not cancel, so their error grows with K. */
const nonNegativeCase = (k: number): OpCase => {
  const params: Params = { m: 4, k, n: 5, tb: true };
  return {
    kind: 'value',
    op: 'matmul',
    id: `matmul(nonNegative,k=${k})`,
    trial: (rng) =>
      matmulTrial(
        params,
        uniform(rng, shapeA(params)),
        uniform(rng, shapeB(params)),
        'nonNegative',
      ),
  };
};

/**
 * Full 24-bit mantissas and a short sum: float32 products stay within 4 u here, inputs rounded to
 * TF32 or half precision are thousands of u off. Longer sums average that difference away.
 */
const precisionCase = (k: number): OpCase => {
  const params: Params = { m: 16, k, n: 16 };
  const odd = (t: HostTensor) => {
    const bits = new Uint32Array(t.data.buffer.slice(0));
    return floats(t.shape, new Float32Array(bits.map((b) => b | 1).buffer));
  };
  return {
    kind: 'value',
    op: 'matmul',
    id: `matmul(precision,k=${k})`,
    trial: (rng) =>
      matmulTrial(
        params,
        odd(gaussian(rng, shapeA(params))),
        odd(gaussian(rng, shapeB(params))),
        'gaussian',
      ),
  };
};

/** Small integers: every product and every sum is exact in half precision as well. */
const exactCase = (params: Params): OpCase => ({
  kind: 'value',
  op: 'matmul',
  id: caseId('matmul', { exact: true, ...params }),
  trial: (rng) =>
    matmulTrial(
      params,
      integers(rng, shapeA(params), 3),
      integers(rng, shapeB(params), 3),
      'exact',
    ),
});

const fixedCases: OpCase[] = [
  {
    kind: 'value',
    op: 'matmul',
    id: 'matmul(known)',
    // [1 2 3; 4 5 6] times [7 8; 9 10; 11 12], by hand.
    trial: () => ({
      inputs: [floats([2, 3], [1, 2, 3, 4, 5, 6]), floats([3, 2], [7, 8, 9, 10, 11, 12])],
      run: (ops, [a, b]) => [ops.matmul(a!, b!)],
      expected: () => [
        {
          shape: [2, 2],
          dtype: 'float32',
          values: Float64Array.of(58, 64, 139, 154),
          compare: equal,
        },
      ],
    }),
  },
  {
    kind: 'value',
    op: 'matmul',
    id: 'matmul(nonFinite)',
    // NaN and infinity reach their own row and column only, and 0 times infinity is NaN.
    trial: (rng) => {
      const params: Params = { m: 5, k: 6, n: 7 };
      const a = integers(rng, shapeA(params), 3);
      const b = integers(rng, shapeB(params), 3);
      a.data[1 * 6 + 2] = Number.NaN;
      a.data[3 * 6] = Number.POSITIVE_INFINITY;
      for (let col = 0; col < 7; col++) b.data[col] = 1 + col;
      b.data[2] = 0;
      b.data[5 * 7 + 6] = Number.NEGATIVE_INFINITY;
      for (let row = 0; row < 5; row++) a.data[row * 6 + 5] = 2;
      return matmulTrial(params, a, b, 'nonFinite');
    },
  },
  ...(
    [
      [[2, 3, 4, 5], [2, 3, 5, 2], false],
      [[3, 4, 5], [5, 2], false],
      [[2, 2, 4, 5], [6, 5], true],
    ] as const
  ).map(
    ([a, b, tb]): OpCase => ({
      kind: 'value',
      op: 'matmul',
      id: caseId('matmul', { lead: true, a, b, tb }),
      trial: (rng) => leadingAxes(integers(rng, a, 3), integers(rng, b, 3), tb),
    }),
  ),
];

/** More than one leading axis, or one matrix shared by all of them. */
function leadingAxes(a: HostTensor, b: HostTensor, tb: boolean): Trial {
  const batch = a.shape.slice(0, -2).reduce((x, y) => x * y, 1);
  const [m, k] = a.shape.slice(-2) as [number, number];
  const last = b.shape.slice(-2);
  const repeated = floats([batch, ...last], (i) => b.data[i % b.data.length]!);
  return {
    inputs: [a, b],
    run: (ops, [x, y]) => [ops.matmul(x!, y!, { transposeB: tb })],
    expected: () => [
      {
        shape: [...a.shape.slice(0, -1), tb ? last[0]! : last[1]!],
        dtype: 'float32',
        values: matmul({ ...a, shape: [batch, m, k] }, repeated, false, tb).values,
        compare: equal,
      },
    ],
  };
}

const dimension = fc.integer({ min: 1, max: 12 });

const propertyCase: OpCase = {
  kind: 'property',
  op: 'matmul',
  id: 'matmul(property)',
  trials: fc
    .record({
      b: fc.integer({ min: 1, max: 3 }),
      m: dimension,
      k: dimension,
      n: dimension,
      ta: fc.boolean(),
      tb: fc.boolean(),
    })
    .chain((params) =>
      fc
        .tuple(
          floatTensor(shapeA(params), finite(-16, 16)),
          floatTensor(shapeB(params), finite(-16, 16)),
        )
        .map(([a, b]) => matmulTrial(params, a, b, 'arbitrary')),
    ),
};

export const matmulCases: readonly OpCase[] = [
  ...fixedCases,
  ...shapeCases(),
  ...[1, 16, 128, 1152, 4608].map(nonNegativeCase),
  ...[2, 8, 16].map(precisionCase),
  ...TRANSPOSES.map((transposes) => exactCase({ b: 2, m: 9, k: 20, n: 11, ...transposes })),
  propertyCase,
];
