import { ShapeError } from '../errors.ts';
import type { ComposedOp } from '../tensor/composed.ts';
import type { TensorOps } from '../tensor/ops.ts';
import { formatShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** The composed operation behind {@link lloydStep}. */
export const lloydStepOp: ComposedOp<undefined> = {
  name: 'lloydStep',
  outputs([x, codebook]) {
    if (x!.length !== 2 || codebook!.length !== 2 || x![1] !== codebook![1]) {
      throw new ShapeError(
        `lloydStep: expected sub-vectors [N, d] and codewords [k, d], got ${formatShape(x!)} and ${formatShape(codebook!)}.`,
      );
    }
    const k = codebook![0]!;
    return [
      { shape: [x![0]!], range: { min: 0, max: k - 1 } },
      { shape: codebook! },
      { shape: [k] },
    ];
  },
  compose(ops, [x, codebook]) {
    const [rows, k] = [x!.shape[0]!, codebook!.shape[0]!];
    const indices = ops.reshape(ops.nearest(x!, codebook!).indices, [rows]);
    const ones = ops.fill([rows, 1], 1);
    const counts = ops.reshape(ops.scatterAddRows(ones, indices, k), [k]);
    return [indices, ops.scatterAddRows(x!, indices, k), counts];
  },
  fused(kernels, [x, codebook]) {
    const out = kernels.lloydStep(x!, codebook!);
    return [out.indices, out.sums, out.counts];
  },
};

/**
 * One assignment of Lloyd's algorithm (Lloyd 1982) with what the update of the codebook needs.
 *
 * @param x sub-vectors [N, d]
 * @param codebook [k, d]
 * @returns indices int32 [N] of the nearest codewords, ties to the lowest; for each codeword the sum
 * of its sub-vectors [k, d] and their number [k]
 * @throws ShapeError where d differs
 */
export function lloydStep(
  ops: TensorOps,
  x: Tensor,
  codebook: Tensor,
): { indices: Tensor; sums: Tensor; counts: Tensor } {
  const [indices, sums, counts] = ops.composed(lloydStepOp, [x, codebook], undefined);
  return { indices: indices!, sums: sums!, counts: counts! };
}
