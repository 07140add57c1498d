import { ShapeError } from '../errors.ts';
import type { AdamwConstants } from '../tensor/backend.ts';
import type { ComposedOp } from '../tensor/composed.ts';
import type { TensorOps } from '../tensor/ops.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The composed operation behind {@link adamwStep}. */
export const adamwOp: ComposedOp<AdamwConstants> = {
  name: 'adamwStep',
  outputs(shapes) {
    const [value] = shapes;
    if (shapes.some((shape) => !sameShape(shape, value!))) {
      const got = shapes.map((s) => formatShape(s)).join(', ');
      throw new ShapeError(`adamwStep: value, gradient and moments differ in shape: ${got}.`);
    }
    return [{ shape: value! }, { shape: value! }, { shape: value! }];
  },
  compose(ops, [value, grad, mean, square], constants) {
    const { learningRate, beta1, beta2, epsilon, weightDecay, step } = constants;
    const blend = (old: Tensor, now: Tensor, beta: number) =>
      ops.add(ops.mul(old, ops.scalar(beta)), ops.mul(now, ops.scalar(1 - beta)));
    const newMean = blend(mean!, grad!, beta1);
    const newSquare = blend(square!, ops.square(grad!), beta2);
    const root = ops.mul(ops.sqrt(newSquare), ops.scalar(1 / Math.sqrt(1 - beta2 ** step)));
    const direction = ops.div(newMean, ops.add(root, ops.scalar(epsilon)));
    const rate = ops.scalar(learningRate / (1 - beta1 ** step));
    const shrunk = ops.mul(value!, ops.scalar(1 - learningRate * weightDecay));
    return [ops.sub(shrunk, ops.mul(direction, rate)), newMean, newSquare];
  },
  fused(kernels, [value, grad, mean, square], constants) {
    const out = kernels.adamwStep(value!, grad!, mean!, square!, constants);
    return [out.value, out.mean, out.square];
  },
};

/**
 * One AdamW step (Loshchilov & Hutter 2019, algorithm 2), with m' = b1 m + (1 - b1) g and
 * s' = b2 s + (1 - b2) g^2: v' = (1 - lr decay) v - lr m'/(1 - b1^t) / (sqrt(s'/(1 - b2^t)) + eps).
 * All of one shape. Inputs are left alone.
 *
 * @throws ShapeError where the shapes differ
 */
export function adamwStep(
  ops: TensorOps,
  value: Tensor,
  grad: Tensor,
  mean: Tensor,
  square: Tensor,
  constants: AdamwConstants,
): { value: Tensor; mean: Tensor; square: Tensor } {
  const [newValue, newMean, newSquare] = ops.composed(
    adamwOp,
    [value, grad, mean, square],
    constants,
  );
  return { value: newValue!, mean: newMean!, square: newSquare! };
}
