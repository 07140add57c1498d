import { type DType, type Shape, sizeOf } from '@vq4dit/core';
import fc from 'fast-check';
import { shapes } from '../arbitraries.ts';
import { exact, type Values } from '../comparators.ts';
import { bigInts, floats, type HostTensor, labels } from '../host-tensor.ts';
import { caseId, dims, type OpCase, type Trial } from '../op-case.ts';
import { element, positions } from '../oracle.ts';

const DTYPES: readonly DType[] = ['float32', 'int32'];

const sample = (shape: Shape, dtype: DType): HostTensor =>
  dtype === 'int32' ? bigInts(shape) : labels(shape);

/** A moved tensor: the element of the output at each position. */
function moved(
  shape: Shape,
  dtype: DType,
  at: (position: readonly number[]) => number,
): { shape: Shape; dtype: DType; values: Values; compare: typeof exact } {
  const values =
    dtype === 'int32' ? new Int32Array(sizeOf(shape)) : new Float32Array(sizeOf(shape));
  let i = 0;
  for (const position of positions(shape)) values[i++] = at(position);
  return { shape, dtype, values, compare: exact };
}

/** `element` takes a dimension of size 1 for any coordinate, which is right here as well. */
function permuteTrial(x: HostTensor, axes: readonly number[]): Trial {
  return {
    description: caseId('permute', { shape: x.shape, axes: axes.join('') }),
    inputs: [x],
    run: (ops, [t]) => [ops.permute(t!, axes)],
    expected: () => [
      moved(
        axes.map((axis) => x.shape[axis]!),
        x.dtype,
        (position) => {
          const source = x.shape.map(() => 0);
          axes.forEach((axis, i) => {
            source[axis] = position[i]!;
          });
          return element(x, source);
        },
      ),
    ],
  };
}

function sliceTrial(x: HostTensor, begin: readonly number[], size: readonly number[]): Trial {
  return {
    description: caseId('slice', { shape: x.shape, begin, size }),
    inputs: [x],
    run: (ops, [t]) => [ops.slice(t!, begin, size)],
    expected: () => [
      moved(size, x.dtype, (position) =>
        element(
          x,
          position.map((p, i) => p + begin[i]!),
        ),
      ),
    ],
  };
}

/** Each part holds other values than the others. */
function concatTrial(shapesIn: readonly Shape[], axis: number, dtype: DType): Trial {
  const parts = shapesIn.map((shape, part): HostTensor => {
    const { data } = sample(shape, dtype);
    return { shape, dtype, data: data.map((v, i) => v + ((part * 37 + i) % 11)) };
  });
  const total = parts.reduce((sum, part) => sum + part.shape[axis]!, 0);
  return {
    description: caseId('concat', { shapes: shapesIn.map((s) => s.join('x')).join('+'), axis }),
    inputs: parts,
    run: (ops, xs) => [ops.concat(xs, axis)],
    expected: () => [
      moved(
        shapesIn[0]!.map((dim, i) => (i === axis ? total : dim)),
        dtype,
        (position) => {
          let at = position[axis]!;
          let part = 0;
          while (at >= parts[part]!.shape[axis]!) at -= parts[part++]!.shape[axis]!;
          return element(
            parts[part]!,
            position.map((p, i) => (i === axis ? at : p)),
          );
        },
      ),
    ],
  };
}

/** Shape and axes. */
const PERMUTATIONS = [
  ['7', '0'],
  ['3x5', '01'],
  ['3x5', '10'],
  ['1x5', '10'],
  ['33x31', '10'],
  ['129x17', '10'],
  ['2x3x4', '012'],
  ['2x3x4', '021'],
  ['2x3x4', '102'],
  ['2x3x4', '120'],
  ['2x3x4', '201'],
  ['2x3x4', '210'],
  ['2x3x4x5', '0213'],
  ['2x3x4x5', '0132'],
  ['2x3x4x5', '3210'],
  ['2x3x4x5', '2031'],
  ['2x3x4x5', '1302'],
  ['2x3x2x3x2', '03142'],
  ['2x1x3x2x3', '43210'],
  // Images from patches: [N, h, w, p, q, C] -> [N, C, h, p, w, q].
  ['2x2x2x2x2x3', '051324'],
] as const;

/** Shape, begin and size. */
const SLICES = [
  ['7', '0', '7'],
  ['7', '2', '3'],
  ['7', '6', '1'],
  ['5x6', '0x0', '5x6'],
  ['5x6', '1x2', '3x4'],
  ['5x6', '0x3', '5x3'],
  ['5x6', '4x0', '1x6'],
  ['2x3x4', '0x1x2', '2x2x2'],
  ['2x3x4', '1x0x3', '1x3x1'],
  ['2x3x4x5', '1x1x1x1', '1x2x3x4'],
  ['33x31', '1x15', '32x16'],
] as const;

/** Shapes and axis. */
const CONCATS = [
  ['3+4', 0],
  ['1+1+1', 0],
  ['2x3+4x3', 0],
  ['2x3+2x5', 1],
  ['2x3+2x1+2x4', 1],
  ['2x3x4+2x1x4', 1],
  ['2x3x4+2x3x2', 2],
  ['1x3x4+3x3x4', 0],
  ['2x2x3x2+2x2x1x2', 2],
  ['17x31+17x33', 1],
  ['2x2+2x2+2x2+2x2+2x2+2x2+2x2+2x2+2x2', 0],
] as const;

const fixedCases: OpCase[] = DTYPES.flatMap((dtype) => {
  const int32 = dtype === 'int32';
  return [
    ...PERMUTATIONS.map(
      ([shape, axes]): OpCase => ({
        kind: 'value',
        op: 'permute',
        id: caseId('permute', { shape, axes, int32 }),
        trial: () => permuteTrial(sample(dims(shape), dtype), [...axes].map(Number)),
      }),
    ),
    ...SLICES.map(
      ([shape, begin, size]): OpCase => ({
        kind: 'value',
        op: 'slice',
        id: caseId('slice', { shape, begin, size, int32 }),
        trial: () => sliceTrial(sample(dims(shape), dtype), dims(begin), dims(size)),
      }),
    ),
    ...CONCATS.map(
      ([parts, axis]): OpCase => ({
        kind: 'value',
        op: 'concat',
        id: caseId('concat', { shapes: parts, axis, int32 }),
        trial: () => concatTrial(parts.split('+').map(dims), axis, dtype),
      }),
    ),
  ];
});

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const specialMatrix = () => floats([2, 3], [nan, inf, -inf, -0, 0, 1]);

const specialCases: OpCase[] = [
  {
    kind: 'value',
    op: 'permute',
    id: 'permute(special)',
    trial: () => permuteTrial(specialMatrix(), [1, 0]),
  },
  {
    kind: 'value',
    op: 'slice',
    id: 'slice(special)',
    trial: () => sliceTrial(specialMatrix(), [0, 0], [2, 2]),
  },
  {
    kind: 'value',
    op: 'concat',
    id: 'concat(special)',
    trial: () => {
      const x = specialMatrix();
      return {
        inputs: [x],
        run: (ops, [t]) => [ops.concat([t!, t!], 0)],
        expected: () => [moved([4, 3], 'float32', ([row, col]) => element(x, [row! % 2, col!]))],
      };
    },
  },
];

const nonScalar = shapes(4, 60).filter((shape) => shape.length > 0);
const dtypes = fc.constantFrom(...DTYPES);

const propertyCases: OpCase[] = [
  {
    kind: 'property',
    op: 'permute',
    id: 'permute(property)',
    trials: fc.tuple(nonScalar, dtypes).chain(([shape, dtype]) =>
      fc
        .shuffledSubarray(
          shape.map((_, i) => i),
          { minLength: shape.length },
        )
        .map((axes) => permuteTrial(sample(shape, dtype), axes)),
    ),
  },
  {
    kind: 'property',
    op: 'slice',
    id: 'slice(property)',
    trials: fc.tuple(nonScalar, dtypes).chain(([shape, dtype]) =>
      fc.tuple(...shape.map((dim) => fc.tuple(fc.nat(dim - 1), fc.nat(dim - 1)))).map((cuts) => {
        const begin = cuts.map(([a, b]) => Math.min(a, b));
        const size = cuts.map(([a, b]) => Math.abs(a - b) + 1);
        return sliceTrial(sample(shape, dtype), begin, size);
      }),
    ),
  },
  {
    kind: 'property',
    op: 'concat',
    id: 'concat(property)',
    trials: fc.tuple(nonScalar, dtypes).chain(([shape, dtype]) =>
      fc
        .tuple(
          fc.nat(shape.length - 1),
          fc.array(fc.integer({ min: 1, max: 5 }), { minLength: 2, maxLength: 5 }),
        )
        .map(([axis, lengths]) =>
          concatTrial(
            lengths.map((length) => shape.map((dim, i) => (i === axis ? length : dim))),
            axis,
            dtype,
          ),
        ),
    ),
  },
];

const reshapeCases: OpCase[] = [
  {
    kind: 'check',
    op: 'reshape',
    id: 'reshape(free)',
    async check({ ops, backend, kernelCalls }) {
      const x = ops.tensor([1, 2, 3, 4, 5, 6], [2, 3]);
      await backend.sync();
      const buffers = backend.liveBuffers?.();
      const y = ops.reshape(x, [3, -1]);
      x.dispose();
      const values = await ops.read(y);
      const after = backend.liveBuffers?.();
      y.dispose();
      if (kernelCalls() > 0) return 'reshape called a kernel';
      if (buffers !== after) return `${after} buffers instead of ${buffers} after a reshape`;
      return [...values].join() === '1,2,3,4,5,6' ? undefined : `read ${values} after a reshape`;
    },
  },
  {
    kind: 'value',
    op: 'reshape',
    id: 'reshape(thenPermute)',
    // A kernel gets a shape that its handle was not made with.
    trial: () => {
      const x = labels([4, 6]);
      return {
        inputs: [x],
        run: (ops, [t]) => [ops.scope((s) => s.permute(s.reshape(t!, [2, 2, 6]), [2, 0, 1]))],
        expected: () => permuteTrial({ ...x, shape: [2, 2, 6] }, [2, 0, 1]).expected(),
      };
    },
  },
  {
    kind: 'value',
    op: 'reshape',
    id: 'reshape(thenBroadcast)',
    trial: () => {
      const [x, y] = [labels([6]), labels([4])];
      return {
        inputs: [x, y],
        run: (ops, [a, b]) => [ops.scope((s) => s.add(s.reshape(a!, [2, 3, 1]), b!))],
        expected: () => [
          moved([2, 3, 4], 'float32', ([i, j, k]) => x.data[i! * 3 + j!]! + y.data[k!]!),
        ],
      };
    },
  },
];

export const movementCases: readonly OpCase[] = [
  ...fixedCases,
  ...specialCases,
  ...propertyCases,
  ...reshapeCases,
];
