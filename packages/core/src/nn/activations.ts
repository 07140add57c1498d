import { keepInputs, type VjpRule } from '../autodiff/rule.ts';
import { ShapeError } from '../errors.ts';
import type { ComposedOp } from '../tensor/composed.ts';
import type { TensorOps } from '../tensor/ops.ts';
import { formatShape, type Shape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

const CUBIC = 0.044715;
const SCALE = 2 * Math.sqrt(2 / Math.PI);

/**
 * GELU with the tanh approximation, x/2 (1 + tanh(u)) with u = sqrt(2/pi) (x + 0.044715 x^3). Since
 * (1 + tanh(u)) / 2 = sigmoid(2u) it is x sigmoid(2u), which takes fewer passes over the data.
 */
function geluGate(ops: TensorOps, x: Tensor): Tensor {
  const cubic = ops.mul(ops.mul(ops.square(x), x), ops.scalar(CUBIC));
  return ops.sigmoid(ops.mul(ops.add(x, cubic), ops.scalar(SCALE)));
}

const sameShapes =
  (name: string) =>
  ([x, grad]: readonly Shape[]) => {
    if (!sameShape(x!, grad!)) {
      throw new ShapeError(
        `${name}: input ${formatShape(x!)} and gradient ${formatShape(grad!)} differ in shape.`,
      );
    }
    return [{ shape: x! }];
  };

/** The rule of an elementwise function whose gradient is a composed operation of (x, grad). */
const gradientRule = (name: string, gradOp: () => ComposedOp<undefined>): VjpRule<undefined> => ({
  name,
  keep: keepInputs(0),
  vjp: ({ ops, grad, input }) => ops.composed(gradOp(), [input(0), grad], undefined),
});

/** The composed operation behind {@link gelu}. */
export const geluOp: ComposedOp<undefined> = {
  name: 'gelu',
  outputs: ([x]) => [{ shape: x! }],
  compose: (ops, [x]) => [ops.mul(x!, geluGate(ops, x!))],
  fused: (kernels, [x]) => [kernels.gelu(x!)],
  rule: gradientRule('gelu', () => geluGradOp),
};

/** grad times the derivative of {@link gelu}; an operation of its own so that it can be fused. */
export const geluGradOp: ComposedOp<undefined> = {
  name: 'geluGrad',
  outputs: sameShapes('geluGrad'),
  // s + x s (1 - s) v'(x), with s = sigmoid(v) and v = 2u
  compose(ops, [x, grad]) {
    const s = geluGate(ops, x!);
    const slope = ops.add(
      ops.mul(ops.square(x!), ops.scalar(3 * CUBIC * SCALE)),
      ops.scalar(SCALE),
    );
    const bend = ops.mul(ops.mul(x!, ops.sub(ops.scalar(1), s)), slope);
    return [ops.mul(grad!, ops.mul(s, ops.add(bend, ops.scalar(1))))];
  },
  fused: (kernels, [x, grad]) => [kernels.geluGrad(x!, grad!)],
};

/** GELU, tanh approximation. */
export function gelu(ops: TensorOps, x: Tensor): Tensor {
  return ops.composed(geluOp, [x], undefined)[0]!;
}

/** The composed operation behind {@link silu}. */
export const siluOp: ComposedOp<undefined> = {
  name: 'silu',
  outputs: ([x]) => [{ shape: x! }],
  compose: (ops, [x]) => [ops.mul(x!, ops.sigmoid(x!))],
  fused: (kernels, [x]) => [kernels.silu(x!)],
  rule: gradientRule('silu', () => siluGradOp),
};

/** grad times the derivative of {@link silu}; an operation of its own so that it can be fused. */
export const siluGradOp: ComposedOp<undefined> = {
  name: 'siluGrad',
  outputs: sameShapes('siluGrad'),
  // s (1 + x (1 - s))
  compose(ops, [x, grad]) {
    const s = ops.sigmoid(x!);
    const bend = ops.mul(x!, ops.sub(ops.scalar(1), s));
    return [ops.mul(grad!, ops.mul(s, ops.add(bend, ops.scalar(1))))];
  },
  fused: (kernels, [x, grad]) => [kernels.siluGrad(x!, grad!)],
};

/** SiLU (swish), x * sigmoid(x). */
export function silu(ops: TensorOps, x: Tensor): Tensor {
  return ops.composed(siluOp, [x], undefined)[0]!;
}
