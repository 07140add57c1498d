import type { TensorOps } from '../tensor/ops.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { softmax } from './softmax.ts';

/** Scaled dot-product attention: softmax(q k^T / sqrt(d)) v. q, k, v [B, H, T, d] -> [B, H, T, d]. */
export function attention(ops: TensorOps, q: Tensor, k: Tensor, v: Tensor): Tensor {
  return ops.scope((s) => {
    const scale = s.scalar(1 / Math.sqrt(q.shape.at(-1)!));
    const scores = s.matmul(s.mul(q, scale), k, { transposeB: true }); // [B, H, T, T]
    return s.matmul(softmax(s, scores), v);
  });
}
