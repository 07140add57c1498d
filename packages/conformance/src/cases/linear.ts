import {
  type Activation,
  codeWidth,
  linear,
  PackedWeight,
  packCodes,
  type RandomStream,
  type Shape,
  type Tensor,
  type TensorOps,
} from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor, indexTensor } from '../arbitraries.ts';
import { type DataClass, equal, scaled, sumFactor } from '../comparators.ts';
import { bothWays, type Draft } from '../composed-case.ts';
import { floats, gaussian, type HostTensor, integers, rowIndices } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';
import { matmul } from '../oracle.ts';
import { GATES } from './gates.ts';

/** What follows the product. */
interface Epilogue {
  readonly bias?: boolean;
  readonly activation?: Activation;
  /** Gate and residual, for this many images. */
  readonly images?: number;
}

interface Inputs {
  /** [images, tokens, in], or [rows, in] */
  readonly x: HostTensor;
  readonly weight: HostTensor | Packed;
  readonly bias?: HostTensor | undefined;
  readonly gate?: HostTensor | undefined;
  readonly residual?: HostTensor | undefined;
}

/** Codes of a matrix [rows, columns], in row-major order of its sub-vectors. */
interface Packed {
  readonly rows: number;
  readonly columns: number;
  readonly groups: number;
  /** [groups k, d] */
  readonly codebook: HostTensor;
  /** int32 [rows columns / d] */
  readonly codes: HostTensor;
}

const isPacked = (weight: HostTensor | Packed): weight is Packed => 'codes' in weight;

/** The matrix that a packed weight stands for, by its definition. */
function decode({ rows, columns, groups, codebook, codes }: Packed): HostTensor {
  const [lines, d] = codebook.shape as [number, number];
  const k = lines / groups;
  const perGroup = codes.data.length / groups;
  return floats([rows, columns], (at) => {
    const i = Math.floor(at / d);
    const line = Math.floor(i / perGroup) * k + codes.data[i]!;
    return codebook.data[line * d + (at % d)]!;
  });
}

function upload(ops: TensorOps, { rows, columns, groups, codebook, codes }: Packed): PackedWeight {
  const [lines, d] = codebook.shape as [number, number];
  const k = lines / groups;
  return PackedWeight.upload(ops, {
    name: 'weight',
    ...{ rows, columns, groups, k, d },
    codes: packCodes(codes.data as Int32Array, codeWidth(k)),
    codebook: codebook.data as Float32Array,
  });
}

/**
 * y = x W^T + bias is off by the sum's factor times sum |x w| + |bias|, the activation by its
 * steepest slope times that and by its own rounding; then a product with the gate and a sum.
 */
function linearTrial(given: Inputs, activation: Activation, data: DataClass | 'exact'): Trial {
  const { x, weight, bias, gate, residual } = given;
  const packed = isPacked(weight) ? weight : undefined;
  const present = [packed ? undefined : (weight as HostTensor), bias, gate, residual];
  const inputs = [x, ...present.filter((t) => t !== undefined)];

  const apply = (ops: TensorOps, tensors: readonly Tensor[], w: Tensor | PackedWeight) => {
    const rest = tensors.slice(packed ? 1 : 2);
    const b = bias && rest.shift();
    const gated = gate && { gate: rest.shift()!, residual: rest.shift()! };
    return linear(ops, tensors[0]!, w, { bias: b, activation, ...(gated && { gated }) });
  };

  return {
    description: `linear ${activation}, ${inputs.map(({ shape, data }) => `${shape.join('x')} [${[...data].join(', ')}]`).join(', ')}${packed ? `, codebook ${packed.codebook.shape.join('x')} [${[...packed.codebook.data].join(', ')}], codes [${[...packed.codes.data].join(', ')}]` : ''}`,
    inputs,
    run(ops, tensors) {
      if (!packed) return [apply(ops, tensors, tensors[1]!)];
      // Twice, since nobody can read the codes back to see that they are still what they were.
      const w = upload(ops, packed);
      try {
        return [apply(ops, tensors, w), apply(ops, tensors, w)];
      } finally {
        w.dispose();
      }
    },
    expected() {
      const matrix = packed ? decode(packed) : (weight as HostTensor);
      const [out, width] = matrix.shape as [number, number];
      const rows = x.data.length / width;
      const as3 = ({ data }: HostTensor, m: number) => ({ ...floats([1, m, width], data) });
      const product = matmul(as3(x, rows), as3(matrix, out), false, true);
      const factor = data === 'exact' ? 0 : sumFactor(data, width + 1);
      const magnitude = new Float64Array(rows * out);
      const values = product.values.map((sum, at) => {
        const offset = bias?.data[at % out] ?? 0;
        const y = sum + offset;
        const size = factor * (product.magnitude[at]! + Math.abs(offset));
        const gated = activation === 'none' ? undefined : GATES[activation];
        const z = gated ? gated.value(y) : y;
        magnitude[at] = gated ? gated.steepest * size + 8 * gated.magnitude(y) : size;
        if (!gate || !residual) return z;
        const image = Math.floor(at / out / (rows / gate.shape[0]!));
        const g = gate.data[image * out + (at % out)]!;
        magnitude[at] =
          (magnitude[at]! + 2 * Math.abs(z)) * Math.abs(g) + Math.abs(residual.data[at]!);
        return residual.data[at]! + g * z;
      });
      const options = { product: true, nmse: data === 'gaussian' && values.length >= 64 };
      const compare = data === 'exact' ? equal : scaled(magnitude, 1, options);
      const shape = [...x.shape.slice(0, -1), out];
      const one = { shape, dtype: 'float32', values, compare } as const;
      return packed ? [one, one] : [one];
    },
  };
}

interface Dense extends Epilogue {
  readonly rows: number;
  readonly in: number;
  readonly out: number;
}

type Draw = (rng: RandomStream, shape: Shape) => HostTensor;

/** [images, tokens, width] where there are images, else [rows, width]. */
function shapeOf(rows: number, width: number, images?: number): Shape {
  return images === undefined ? [rows, width] : [images, rows / images, width];
}

function operands(rng: RandomStream, draw: Draw, p: Dense) {
  return {
    x: draw(rng, shapeOf(p.rows, p.in, p.images)),
    bias: p.bias ? draw(rng, [p.out]) : undefined,
    gate: p.images === undefined ? undefined : draw(rng, [p.images, p.out]),
    residual: p.images === undefined ? undefined : draw(rng, shapeOf(p.rows, p.out, p.images)),
  };
}

/** Of variance 1 / width, so that what comes out is about as large as what goes in. */
const weights = (rng: RandomStream, shape: Shape, width: number) =>
  floats(shape, () => rng.normal() / Math.sqrt(width));

const dense = (p: Dense): Draft => ({
  op: 'linear',
  id: caseId('linear', { ...p }),
  trial: (rng) =>
    linearTrial(
      { ...operands(rng, gaussian, p), weight: weights(rng, [p.out, p.in], p.in) },
      p.activation ?? 'none',
      'gaussian',
    ),
});

interface PackedParams extends Dense {
  readonly k: number;
  readonly d: number;
  readonly groups?: number;
}

function packedWeight(rng: RandomStream, p: PackedParams, codebook: HostTensor): Packed {
  const codes = rowIndices(rng, [(p.out * p.in) / p.d], p.k);
  return { rows: p.out, columns: p.in, groups: p.groups ?? 1, codebook, codes };
}

const packed = (p: PackedParams): Draft => ({
  op: 'linear',
  id: caseId('linear', { packed: true, ...p }),
  trial(rng) {
    const codebook = weights(rng, [(p.groups ?? 1) * p.k, p.d], p.in);
    const weight = packedWeight(rng, p, codebook);
    return linearTrial(
      { ...operands(rng, gaussian, p), weight },
      p.activation ?? 'none',
      'gaussian',
    );
  },
});

/** Small integers: every product and every sum is exact in half precision as well. */
const exactPacked = (p: PackedParams): Draft => ({
  op: 'linear',
  id: caseId('linear', { packed: true, exact: true, ...p }),
  trial(rng) {
    const small: Draw = (r, shape) => integers(r, shape, 3);
    const weight = packedWeight(rng, p, small(rng, [(p.groups ?? 1) * p.k, p.d]));
    return linearTrial({ ...operands(rng, small, p), weight }, 'none', 'exact');
  },
});

const EPILOGUES: readonly Epilogue[] = [
  {},
  { bias: true },
  { activation: 'gelu' },
  { bias: true, activation: 'gelu' },
  { bias: true, activation: 'silu' },
  { images: 2 },
  { bias: true, images: 2 },
  { bias: true, activation: 'gelu', images: 3 },
  { bias: true, activation: 'silu', images: 6 },
];

/** Around the widths of vectors, tiles and blocks. */
const EDGES = [1, 2, 3, 5, 7, 15, 16, 17, 31, 33, 63, 65, 127, 129];

const denseDrafts: Draft[] = [
  {
    op: 'linear',
    id: 'linear(known)',
    // x W^T + bias is (1, 7, 12) and (3, 11, 20); gates 2 and 10 for one row each.
    trial: () => ({
      inputs: [
        floats([2, 1, 2], [1, 2, 3, 4]),
        floats([3, 2], [1, 0, 1, 1, 2, 2]),
        floats([3], [0, 4, 6]),
        floats([2, 3], [2, 2, 2, 10, 10, 10]),
        floats([2, 1, 3], [100, 200, 300, 0, 0, 0.5]),
      ],
      run: (ops, [x, w, bias, gate, residual]) => [
        linear(ops, x!, w!, { bias: bias!, gated: { gate: gate!, residual: residual! } }),
      ],
      expected: () => [
        {
          shape: [2, 1, 3],
          dtype: 'float32',
          values: Float64Array.of(102, 214, 324, 30, 110, 200.5),
          compare: equal,
        },
      ],
    }),
  },
  ...EPILOGUES.map((epilogue) => dense({ rows: 6, in: 7, out: 5, ...epilogue })),
  ...EPILOGUES.map((epilogue) => dense({ rows: 66, in: 40, out: 37, ...epilogue })),
  ...EDGES.flatMap((edge, i) => {
    // Those with images go with 6 rows only; the others with any number.
    const epilogue = (step: number) => EPILOGUES[(i + step) % EPILOGUES.length]!;
    const plain = EPILOGUES[i % 5]!;
    return [
      dense({ rows: edge, in: 6, out: 9, ...plain }),
      dense({ rows: 6, in: edge, out: 10, ...epilogue(3) }),
      dense({ rows: 6, in: 9, out: edge, ...epilogue(5) }),
    ];
  }),
  // Of a real layer.
  dense({ rows: 4, in: 1152, out: 24, bias: true, activation: 'gelu' }),
  dense({ rows: 98, in: 24, out: 8, bias: true, images: 2 }),
];

const packedDrafts: Draft[] = [
  {
    op: 'linear',
    id: 'linear(packedKnown)',
    // Codes 1, 2, 0 | 3, 1, 2 of 2 bits, the first in the lowest bits: 11 00 10 01 and 10 01. Their
    // codewords are (3), (5), (0) for the first row, and of the second group (40), (20), (30).
    trial: () => ({
      inputs: [floats([1, 3], [1, 10, 100])],
      run(ops, [x]) {
        const weight = PackedWeight.upload(ops, {
          name: 'weight',
          ...{ rows: 2, columns: 3, groups: 2, k: 4, d: 1 },
          codes: Uint8Array.of(0b11_00_10_01, 0b10_01),
          codebook: Float32Array.of(0, 3, 5, 7, 10, 20, 30, 40),
        });
        try {
          return [linear(ops, x!, weight)];
        } finally {
          weight.dispose();
        }
      },
      expected: () => [
        {
          shape: [1, 2],
          dtype: 'float32',
          values: Float64Array.of(53, 3240),
          compare: equal,
        },
      ],
    }),
  },
  // Every width of code and length of sub-vector that is in use, and odd ones.
  ...(
    [
      { k: 256, d: 4 },
      { k: 64, d: 2 },
      { k: 2, d: 1 },
      { k: 1, d: 3 },
      { k: 100, d: 8 },
      { k: 16, d: 3 },
      { k: 700, d: 2 },
      { k: 4096, d: 4 },
    ] as const
  ).flatMap(({ k, d }, i) => [
    packed({ rows: 5, in: 24, out: 7, k, d, ...EPILOGUES[i % 5]! }),
    packed({
      rows: 66,
      in: 48,
      out: 34,
      k,
      d,
      groups: 2,
      ...EPILOGUES[(i + 3) % EPILOGUES.length]!,
    }),
    exactPacked({ rows: 9, in: 24, out: 11, k, d }),
  ]),
  ...EPILOGUES.map((epilogue) => packed({ rows: 6, in: 20, out: 13, k: 256, d: 4, ...epilogue })),
  ...EDGES.flatMap((edge) => [
    packed({ rows: edge, in: 12, out: 5, k: 64, d: 2, bias: true }),
    packed({ rows: 3, in: 4 * edge, out: 6, k: 256, d: 4 }),
    packed({ rows: 5, in: 4, out: edge, k: 37, d: 2, bias: true }),
  ]),
  packed({ rows: 1, in: 1152, out: 24, k: 256, d: 4, bias: true }),
  packed({ rows: 50, in: 1152, out: 12, k: 64, d: 2, groups: 3 }),
];

const side = fc.integer({ min: 1, max: 6 });

const denseProperty: Draft = {
  op: 'linear',
  id: 'linear(property)',
  trials: fc
    .record({
      images: side,
      tokens: side,
      in: side,
      out: side,
      activation: fc.constantFrom<Activation>('none', 'gelu', 'silu'),
    })
    .chain(({ images, tokens, in: width, out, activation }) => {
      const value = finite(-4, 4);
      return fc
        .record({
          x: floatTensor([images, tokens, width], value),
          weight: floatTensor([out, width], value),
          bias: fc.option(floatTensor([out], value), { nil: undefined }),
          gated: fc.option(
            fc.record({
              gate: floatTensor([images, out], value),
              residual: floatTensor([images, tokens, out], value),
            }),
            { nil: undefined },
          ),
        })
        .map(({ x, weight, bias, gated }) =>
          linearTrial({ x, weight, bias, ...gated }, activation, 'arbitrary'),
        );
    }),
};

const packedProperty: Draft = {
  op: 'linear',
  id: 'linear(packedProperty)',
  trials: fc
    .record({
      rows: side,
      perRow: side,
      out: side,
      groups: fc.integer({ min: 1, max: 3 }),
      k: fc.integer({ min: 1, max: 40 }),
      d: fc.integer({ min: 1, max: 5 }),
    })
    .chain(({ rows, perRow, out: perGroup, groups, k, d }) => {
      const [columns, out] = [perRow * d, perGroup * groups];
      return fc
        .record({
          x: floatTensor([rows, columns], finite(-4, 4)),
          codebook: floatTensor([groups * k, d], finite(-4, 4)),
          codes: indexTensor([perRow * out], k),
        })
        .map(({ x, codebook, codes }) => {
          const weight: Packed = { rows: out, columns, groups, codebook, codes };
          return linearTrial({ x, weight }, 'none', 'arbitrary');
        });
    }),
};

const drafts = [...denseDrafts, ...packedDrafts, denseProperty, packedProperty];

export const linearCases: readonly OpCase[] = drafts
  .filter(({ id }, i) => drafts.findIndex((other) => other.id === id) === i)
  .flatMap(bothWays);
