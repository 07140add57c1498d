import { keepOutput } from '../autodiff/rule.ts';
import { asRows, type ComposedOp } from '../tensor/composed.ts';
import type { TensorOps } from '../tensor/ops.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The composed operation behind {@link softmax}. */
export const softmaxOp: ComposedOp<undefined> = {
  name: 'softmax',
  outputs: ([x]) => [{ shape: x! }],
  compose(ops, [x]) {
    const shifted = ops.sub(x!, ops.max(x!, -1, { keepDims: true }));
    const powers = ops.exp(shifted);
    return [ops.div(powers, ops.sum(powers, -1, { keepDims: true }))];
  },
  fused: (kernels, [x]) => [kernels.softmax(asRows(x!))],
  rule: {
    name: 'softmax',
    keep: keepOutput,
    // y * (g - sum(g * y))
    vjp({ ops, grad, output }) {
      const y = output();
      const inner = ops.sum(ops.mul(grad, y), -1, { keepDims: true });
      return [ops.mul(y, ops.sub(grad, inner))];
    },
  },
};

/** exp(x) / sum(exp(x)) over the last axis; the maximum is subtracted first, so nothing overflows. */
export function softmax(ops: TensorOps, x: Tensor): Tensor {
  return ops.composed(softmaxOp, [x], undefined)[0]!;
}
