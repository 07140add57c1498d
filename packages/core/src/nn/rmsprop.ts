import { ShapeError } from '../errors.ts';
import type { ComposedOp } from '../tensor/composed.ts';
import type { TensorOps } from '../tensor/ops.ts';
import { formatShape, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Options of one RMSprop step. */
export interface RmspropOptions {
  readonly learningRate: number;
  /** Weight of the old mean square, usually 0.9 to 0.99. */
  readonly decay: number;
  readonly epsilon: number;
}

/** The composed operation behind {@link rmspropStep}. */
export const rmspropOp: ComposedOp<RmspropOptions> = {
  name: 'rmspropStep',
  outputs([value, grad, square]) {
    if (!sameShape(value!, grad!) || !sameShape(value!, square!)) {
      const got = [value, grad, square].map((s) => formatShape(s!)).join(', ');
      throw new ShapeError(`rmspropStep: value, gradient and mean square differ in shape: ${got}.`);
    }
    return [{ shape: value! }, { shape: value! }];
  },
  compose(ops, [value, grad, square], { learningRate, decay, epsilon }) {
    const kept = ops.mul(square!, ops.scalar(decay));
    const newSquare = ops.add(kept, ops.mul(ops.square(grad!), ops.scalar(1 - decay)));
    const scale = ops.add(ops.sqrt(newSquare), ops.scalar(epsilon));
    const step = ops.mul(ops.div(grad!, scale), ops.scalar(learningRate));
    return [ops.sub(value!, step), newSquare];
  },
  fused(kernels, [value, grad, square], options) {
    const out = kernels.rmspropStep(value!, grad!, square!, options);
    return [out.value, out.square];
  },
};

/** One RMSprop step: s' = a s + (1 - a) g^2, v' = v - lr g / (sqrt(s') + eps). Inputs are left alone. */
export function rmspropStep(
  ops: TensorOps,
  value: Tensor,
  grad: Tensor,
  square: Tensor,
  options: RmspropOptions,
): { value: Tensor; square: Tensor } {
  const [newValue, newSquare] = ops.composed(rmspropOp, [value, grad, square], options);
  return { value: newValue!, square: newSquare! };
}
