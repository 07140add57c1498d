import type { TensorOps } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { CalibrationOptions } from './options.ts';

/**
 * How undecided the ratios [N, n] of a layer are: 0 when every sub-vector has one ratio of 1.
 *
 * `absolute` is equation 9, the sum over candidates of 1 - |2r - 1|, averaged over sub-vectors.
 * `product` is n times the mean of r (1 - r), as the published program has it.
 */
export function ratioPenalty(
  ops: TensorOps,
  ratios: Tensor,
  kind: CalibrationOptions['penalty'],
): Tensor {
  const n = ratios.shape[1]!;
  return ops.scope((s) => {
    if (kind === 'product') {
      const spread = s.mul(ratios, s.sub(s.scalar(1), ratios));
      return s.mul(s.mean(spread), s.scalar(n));
    }
    const centred = s.sub(s.mul(ratios, s.scalar(2)), s.scalar(1));
    const undecided = s.sub(s.scalar(1), s.abs(centred)); // [N, n]
    return s.mul(s.mean(undecided), s.scalar(n));
  });
}
