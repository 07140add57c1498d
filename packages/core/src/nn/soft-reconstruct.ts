import { ShapeError } from '../errors.ts';
import type { ComposedOp } from '../tensor/composed.ts';
import type { TensorOps } from '../tensor/ops.ts';
import { formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

function checkShapes([codebook, candidates, ratios]: readonly Shape[]) {
  const legal =
    codebook!.length === 2 &&
    candidates!.length === 2 &&
    ratios!.length === 2 &&
    candidates![0] === ratios![0] &&
    candidates![1] === ratios![1];
  if (!legal) {
    const got = [codebook, candidates, ratios].map((s) => formatShape(s!)).join(', ');
    throw new ShapeError(
      `softReconstruct: expected codebook [k, d], candidates [N, n] and ratios [N, n], got ${got}.`,
    );
  }
  return { k: codebook![0]!, d: codebook![1]!, rows: candidates![0]!, n: candidates![1]! };
}

/** The codewords of every candidate, [N, n, d]. */
function candidateCodewords(ops: TensorOps, codebook: Tensor, candidates: Tensor): Tensor {
  const [rows, n] = candidates.shape as [number, number];
  const gathered = ops.gatherRows(codebook, ops.reshape(candidates, [rows * n]));
  return ops.reshape(gathered, [rows, n, codebook.shape[1]!]);
}

const CANDIDATES_ARE_INT32 = ['float32', 'int32'] as const;

/** The composed operation behind {@link softReconstruct}. */
export const softReconstructOp: ComposedOp<undefined> = {
  name: 'softReconstruct',
  dtypes: CANDIDATES_ARE_INT32,
  rowNumbers: { input: 1, of: 0 },
  outputs(shapes) {
    const { rows, d } = checkShapes(shapes);
    return [{ shape: [rows, d] }];
  },
  compose(ops, [codebook, candidates, ratios]) {
    const codewords = candidateCodewords(ops, codebook!, candidates!); // [N, n, d]
    const weights = ops.reshape(ratios!, [...ratios!.shape, 1]); // [N, n, 1]
    return [ops.sum(ops.mul(codewords, weights), 1)];
  },
  fused: (kernels, [codebook, candidates, ratios]) => [
    kernels.softReconstruct(codebook!, candidates!, ratios!),
  ],
  rule: {
    name: 'softReconstruct',
    keep: () => ({ inputs: [0, 1, 2], output: false }),
    vjp({ ops, grad, input }) {
      const inputs = [input(0), input(1), input(2), grad];
      const [codebook, ratios] = ops.composed(softReconstructGradOp, inputs, undefined);
      return [codebook, undefined, ratios];
    },
  },
};

/** Gradients of the soft reconstruction; a composed operation of its own so that it can be fused. */
export const softReconstructGradOp: ComposedOp<undefined> = {
  name: 'softReconstructGrad',
  dtypes: CANDIDATES_ARE_INT32,
  rowNumbers: { input: 1, of: 0 },
  outputs(shapes) {
    const { k, d, rows, n } = checkShapes(shapes);
    return [{ shape: [k, d] }, { shape: [rows, n] }];
  },
  compose(ops, [codebook, candidates, ratios, grad]) {
    const [rows, n] = candidates!.shape as [number, number];
    const [k, d] = codebook!.shape as [number, number];
    const spread = ops.reshape(grad!, [rows, 1, d]);
    const weighted = ops.mul(spread, ops.reshape(ratios!, [rows, n, 1])); // [N, n, d]
    const flatCandidates = ops.reshape(candidates!, [rows * n]);
    const codebookGrad = ops.scatterAddRows(
      ops.reshape(weighted, [rows * n, d]),
      flatCandidates,
      k,
    );
    const codewords = candidateCodewords(ops, codebook!, candidates!);
    return [codebookGrad, ops.sum(ops.mul(codewords, spread), 2)];
  },
  fused(kernels, [codebook, candidates, ratios, grad]) {
    const out = kernels.softReconstructGrad(codebook!, candidates!, ratios!, grad!);
    return [out.codebook, out.ratios];
  },
};

/**
 * Sub-vectors as weighted averages of their candidate codewords (paper, equation 7).
 * codebook [k, d], candidates int32 [N, n], ratios [N, n] -> [N, d].
 */
export function softReconstruct(
  ops: TensorOps,
  codebook: Tensor,
  candidates: Tensor,
  ratios: Tensor,
): Tensor {
  return ops.composed(softReconstructOp, [codebook, candidates, ratios], undefined)[0]!;
}
