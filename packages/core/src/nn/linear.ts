import type { TensorOps } from '../tensor/ops.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** x W^T + b. x [..., in], weight [out, in], bias [out] -> [..., out]. */
export function linear(ops: TensorOps, x: Tensor, weight: Tensor, bias?: Tensor): Tensor {
  return ops.scope((s) => {
    const product = s.matmul(x, weight, { transposeB: true });
    return bias ? s.add(product, bias) : product;
  });
}

/** Mean of the squared differences, over everything -> shape []. */
export function meanSquaredError(ops: TensorOps, a: Tensor, b: Tensor): Tensor {
  return ops.scope((s) => s.mean(s.square(s.sub(a, b))));
}
