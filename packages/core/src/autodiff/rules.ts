import type { BinaryOp, ReduceOp, UnaryOp } from '../tensor/backend.ts';
import type { TensorOps } from '../tensor/ops.ts';
import { type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { keepInputs, keepNothing, keepOutput, type VjpContext, type VjpRule } from './rule.ts';

/**
 * The table of vector-Jacobian products of the primitive operations. Every entry is checked
 * against central finite differences in `test/autodiff.test.ts`.
 */

type UnaryVjp = (context: VjpContext<undefined>) => Tensor;
const unary = (name: UnaryOp, keep: VjpRule['keep'], vjp: UnaryVjp): VjpRule<undefined> => ({
  name,
  keep,
  vjp: (context) => [vjp(context)],
});

export const unaryRules: Readonly<Record<UnaryOp, VjpRule<undefined>>> = {
  neg: unary('neg', keepNothing, ({ ops, grad }) => ops.neg(grad)),
  abs: unary('abs', keepInputs(0), ({ ops, grad, input }) => ops.mul(grad, ops.sign(input(0)))),
  // Constant almost everywhere.
  sign: unary('sign', keepNothing, ({ ops, grad }) => ops.fill(grad.shape, 0)),
  exp: unary('exp', keepOutput, ({ ops, grad, output }) => ops.mul(grad, output())),
  log: unary('log', keepInputs(0), ({ ops, grad, input }) => ops.div(grad, input(0))),
  sqrt: unary('sqrt', keepOutput, ({ ops, grad, output }) =>
    ops.div(ops.mul(grad, ops.scalar(0.5)), output()),
  ),
  square: unary('square', keepInputs(0), ({ ops, grad, input }) =>
    ops.mul(ops.mul(grad, ops.scalar(2)), input(0)),
  ),
  reciprocal: unary('reciprocal', keepOutput, ({ ops, grad, output }) =>
    ops.neg(ops.mul(grad, ops.square(output()))),
  ),
  sin: unary('sin', keepInputs(0), ({ ops, grad, input }) => ops.mul(grad, ops.cos(input(0)))),
  cos: unary('cos', keepInputs(0), ({ ops, grad, input }) =>
    ops.neg(ops.mul(grad, ops.sin(input(0)))),
  ),
  tanh: unary('tanh', keepOutput, ({ ops, grad, output }) =>
    ops.mul(grad, ops.sub(ops.scalar(1), ops.square(output()))),
  ),
  sigmoid: unary('sigmoid', keepOutput, ({ ops, grad, output }) => {
    const y = output();
    return ops.mul(grad, ops.mul(y, ops.sub(ops.scalar(1), y)));
  }),
};

/** Undoes broadcasting: sums `grad` over the axes along which `shape` was stretched. */
export function sumTo(ops: TensorOps, grad: Tensor, shape: Shape): Tensor {
  if (sameShape(grad.shape, shape)) return grad;
  const offset = grad.shape.length - shape.length;
  let out = grad;
  // Neighbouring stretched axes are merged, so that [N, T, D] -> [D] is one reduction.
  for (let axis = grad.shape.length - 1; axis >= 0; axis--) {
    if (!isStretched(axis)) continue;
    let first = axis;
    while (first > 0 && isStretched(first - 1)) first--;
    const dims = out.shape;
    const outer = product(dims.slice(0, first));
    const inner = product(dims.slice(axis + 1));
    const merged = ops.reshape(out, [outer, product(dims.slice(first, axis + 1)), inner]);
    const kept = dims.map((dim, i) => (i >= first && i <= axis ? 1 : dim));
    out = ops.reshape(ops.sum(merged, 1), kept);
    axis = first;
  }
  return ops.reshape(out, shape);

  function isStretched(axis: number): boolean {
    return grad.shape[axis] !== 1 && (axis < offset || shape[axis - offset] === 1);
  }
}

const product = (dims: readonly number[]) => dims.reduce((a, b) => a * b, 1);

type BinaryVjp = (context: VjpContext<undefined>) => {
  a: () => Tensor;
  b: () => Tensor;
};
const binary = (name: BinaryOp, keep: VjpRule['keep'], sides: BinaryVjp): VjpRule<undefined> => ({
  name,
  keep,
  vjp: (context) => {
    const { ops, needs, inputShape } = context;
    const { a, b } = sides(context);
    return [
      needs[0] ? sumTo(ops, a(), inputShape(0)) : undefined,
      needs[1] ? sumTo(ops, b(), inputShape(1)) : undefined,
    ];
  },
});

/** Where two operands meet in a maximum or minimum, half of the gradient goes to each. */
function selection(context: VjpContext<undefined>, sign: 1 | -1): ReturnType<BinaryVjp> {
  const { ops, grad, input } = context;
  const wins = (x: Tensor, y: Tensor) => (sign === 1 ? ops.greater(x, y) : ops.greater(y, x));
  const share = (x: Tensor, y: Tensor) => {
    // (wins + (1 - loses)) / 2 is 1, 0 or, for equal values, one half.
    const notLost = ops.sub(ops.scalar(1), wins(y, x));
    return ops.mul(grad, ops.mul(ops.scalar(0.5), ops.add(wins(x, y), notLost)));
  };
  return { a: () => share(input(0), input(1)), b: () => share(input(1), input(0)) };
}

export const binaryRules: Readonly<Record<BinaryOp, VjpRule<undefined>>> = {
  add: binary('add', keepNothing, ({ grad }) => ({ a: () => grad, b: () => grad })),
  sub: binary('sub', keepNothing, ({ ops, grad }) => ({ a: () => grad, b: () => ops.neg(grad) })),
  mul: binary(
    'mul',
    (needs) => ({ inputs: [...(needs[1] ? [0] : []), ...(needs[0] ? [1] : [])], output: false }),
    ({ ops, grad, input }) => ({
      a: () => ops.mul(grad, input(1)),
      b: () => ops.mul(grad, input(0)),
    }),
  ),
  div: binary(
    'div',
    (needs) => ({ inputs: needs[1] ? [0, 1] : [1], output: false }),
    ({ ops, grad, input }) => ({
      a: () => ops.div(grad, input(1)),
      b: () => ops.neg(ops.div(ops.mul(grad, input(0)), ops.square(input(1)))),
    }),
  ),
  maximum: binary('maximum', keepInputs(0, 1), (context) => selection(context, 1)),
  minimum: binary('minimum', keepInputs(0, 1), (context) => selection(context, -1)),
  // Constant almost everywhere.
  greater: binary('greater', keepNothing, ({ ops, grad }) => ({
    a: () => ops.fill(grad.shape, 0),
    b: () => ops.fill(grad.shape, 0),
  })),
};

/** C = op(A) op(B); dA = dC op(B)^T and dB = op(A)^T dC, each transposed where its operand was. */
export const matmulRule: VjpRule<{ transposeA: boolean; transposeB: boolean }> = {
  name: 'matmul',
  keep: (needs) => ({
    inputs: [...(needs[1] ? [0] : []), ...(needs[0] ? [1] : [])],
    output: false,
  }),
  vjp: ({ ops, grad, needs, input, attrs: { transposeA, transposeB } }) => [
    needs[0]
      ? transposeA
        ? ops.matmul(input(1), grad, { transposeA: transposeB, transposeB: true })
        : ops.matmul(grad, input(1), { transposeB: !transposeB })
      : undefined,
    needs[1]
      ? transposeB
        ? ops.matmul(grad, input(0), { transposeA: true, transposeB: transposeA })
        : ops.matmul(input(0), grad, { transposeA: !transposeA })
      : undefined,
  ],
};

/** Attrs: the reduced axis as a dimension of size 1 in the output's rank. */
export const reduceRules: Readonly<Record<ReduceOp, VjpRule<{ axis: number }>>> = {
  sum: {
    name: 'sum',
    keep: keepNothing,
    vjp: ({ ops, grad, inputShape, attrs: { axis } }) => [
      ops.broadcastTo(withUnitAxis(ops, grad, axis), inputShape(0)),
    ],
  },
  max: {
    name: 'max',
    keep: () => ({ inputs: [0], output: true }),
    // Equal maxima share the gradient evenly.
    vjp: ({ ops, grad, input, output, attrs: { axis } }) => {
      const x = input(0);
      const best = withUnitAxis(ops, output(), axis);
      const isBest = ops.sub(ops.scalar(1), ops.greater(best, x));
      const ties = ops.sum(isBest, axis, { keepDims: true });
      return [ops.mul(isBest, ops.div(withUnitAxis(ops, grad, axis), ties))];
    },
  },
};

function withUnitAxis(ops: TensorOps, x: Tensor, axis: number): Tensor {
  return ops.reshape(x, [...x.shape.slice(0, axis), 1, ...x.shape.slice(axis)]);
}

export const reshapeRule: VjpRule<undefined> = {
  name: 'reshape',
  keep: keepNothing,
  vjp: ({ ops, grad, inputShape }) => [ops.reshape(grad, inputShape(0))],
};

export const permuteRule: VjpRule<{ axes: readonly number[] }> = {
  name: 'permute',
  keep: keepNothing,
  vjp: ({ ops, grad, attrs: { axes } }) => {
    const inverse = new Array<number>(axes.length);
    axes.forEach((axis, i) => {
      inverse[axis] = i;
    });
    return [ops.permute(grad, inverse)];
  },
};

export const sliceRule: VjpRule<{ begin: readonly number[] }> = {
  name: 'slice',
  keep: keepNothing,
  // The gradient is zero outside the slice: pad it back, one axis at a time.
  vjp: ({ ops, grad, inputShape, attrs: { begin } }) => {
    const full = inputShape(0);
    let out = grad;
    full.forEach((dim, axis) => {
      const before = begin[axis]!;
      const after = dim - before - out.shape[axis]!;
      const zeros = (count: number) =>
        ops.fill(
          out.shape.map((d, i) => (i === axis ? count : d)),
          0,
        );
      const parts = [
        ...(before > 0 ? [zeros(before)] : []),
        out,
        ...(after > 0 ? [zeros(after)] : []),
      ];
      out = ops.concat(parts, axis);
    });
    return [out];
  },
};

export const concatRule: VjpRule<{ axis: number }> = {
  name: 'concat',
  keep: keepNothing,
  vjp: ({ ops, grad, needs, inputShape, attrs: { axis } }) => {
    let offset = 0;
    return needs.map((needed, i) => {
      const size = inputShape(i);
      const begin = grad.shape.map((_, j) => (j === axis ? offset : 0));
      offset += size[axis]!;
      return needed ? ops.slice(grad, begin, size) : undefined;
    });
  },
};

export const gatherRowsRule: VjpRule<undefined> = {
  name: 'gatherRows',
  keep: keepInputs(1),
  vjp: ({ ops, grad, input, inputShape }) => [
    ops.scatterAddRows(grad, input(1), inputShape(0)[0]!),
    undefined,
  ],
};

export const scatterAddRowsRule: VjpRule<undefined> = {
  name: 'scatterAddRows',
  keep: keepInputs(1),
  vjp: ({ ops, grad, input }) => [ops.gatherRows(grad, input(1)), undefined],
};
