import { softmax } from '../../nn/softmax.ts';
import type { TensorOps } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** A logit so large that softmax gives exactly 1 and 0. */
const DECIDED = 1e4;

/**
 * Marks the sub-vectors with a ratio above 1 - threshold as decided and makes their ratios exactly
 * 1 and 0. logits [N, n], frozen [N, 1] -> the same; inputs are left alone.
 */
export function freezeDecided(
  ops: TensorOps,
  logits: Tensor,
  frozen: Tensor,
  threshold: number,
): { logits: Tensor; frozen: Tensor } {
  return ops.scope((s) => {
    const best = s.max(softmax(s, logits), 1, { keepDims: true }); // [N, 1]
    const decided = s.maximum(frozen, s.greater(best, s.scalar(1 - threshold)));
    const top = s.max(logits, 1, { keepDims: true });
    // 1 at the highest logit, 0 elsewhere; a decided row has no ties.
    const winner = s.sub(s.scalar(1), s.greater(top, logits)); // [N, n]
    const open = s.mul(logits, s.sub(s.scalar(1), decided));
    return {
      logits: s.add(open, s.mul(s.mul(winner, s.scalar(DECIDED)), decided)),
      frozen: decided,
    };
  });
}
