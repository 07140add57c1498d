import { keepInputs } from '../autodiff/rule.ts';
import { asRows, type ComposedOp } from '../tensor/composed.ts';
import type { TensorOps } from '../tensor/ops.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** 1 / sqrt(variance + epsilon) and the centred x, over the last axis. */
function standardize(ops: TensorOps, x: Tensor, epsilon: number) {
  const centred = ops.sub(x, ops.mean(x, -1, { keepDims: true }));
  const variance = ops.mean(ops.square(centred), -1, { keepDims: true });
  const inverse = ops.reciprocal(ops.sqrt(ops.add(variance, ops.scalar(epsilon))));
  return { normalized: ops.mul(centred, inverse), inverse };
}

/** The composed operation behind {@link layerNorm}. */
export const layerNormOp: ComposedOp<{ epsilon: number }> = {
  name: 'layerNorm',
  outputs: ([x]) => [{ shape: x! }],
  compose: (ops, [x], { epsilon }) => [standardize(ops, x!, epsilon).normalized],
  fused: (kernels, [x], { epsilon }) => [kernels.layerNorm(asRows(x!), epsilon)],
  rule: {
    name: 'layerNorm',
    keep: keepInputs(0),
    // (g - mean(g) - y mean(g y)) / sqrt(variance + epsilon)
    vjp({ ops, grad, input, attrs: { epsilon } }) {
      const { normalized, inverse } = standardize(ops, input(0), epsilon);
      const meanGrad = ops.mean(grad, -1, { keepDims: true });
      const projection = ops.mean(ops.mul(grad, normalized), -1, { keepDims: true });
      const centred = ops.sub(ops.sub(grad, meanGrad), ops.mul(normalized, projection));
      return [ops.mul(centred, inverse)];
    },
  },
};

/** Layer normalization over the last axis without an affine part (biased variance). */
export function layerNorm(ops: TensorOps, x: Tensor, epsilon = 1e-6): Tensor {
  return ops.composed(layerNormOp, [x], { epsilon })[0]!;
}
