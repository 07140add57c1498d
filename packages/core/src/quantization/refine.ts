import type { TensorOps } from '../tensor/ops.ts';
import { fitCodebooks } from './codebook-fit.ts';
import { dampedGram } from './gram.ts';
import { assignByOutputError } from './output-error.ts';
import { VqWeight, type WeightMatrix } from './quantized-weight.ts';

/** What {@link refineByOutputError} works on. */
export interface RefineOptions {
  readonly weight: WeightMatrix;
  /** Where it starts: k-means, for instance. */
  readonly quantized: VqWeight;
  /** Mean of x x^T over inputs x of the layer, [columns, columns], symmetric. */
  readonly gram: Float64Array;
  /** Nearest codewords n that a sub-vector may change to in a round. */
  readonly candidates: number;
  /** Each chooses assignments and then fits codebooks. */
  readonly rounds: number;
  readonly damping?: number;
  readonly signal?: AbortSignal;
}

/** Steps of the least squares in a round; what they leave the next round takes up. */
const FIT_ITERATIONS = 8;

/**
 * Lloyd's two steps under the error of the layer's output instead of that of its weights: assignments by
 * coordinate descent over the nearest codewords and the present one ({@link assignByOutputError}),
 * then codebooks by least squares ({@link fitCodebooks}). Neither raises
 * trace((W - W^) H (W - W^)^T). Products with H and the search for candidates run on the backend.
 *
 * @throws as the two steps do
 */
export async function refineByOutputError(
  ops: TensorOps,
  options: RefineOptions,
): Promise<VqWeight> {
  const { weight, damping = 0.01, signal } = options;
  // Damped once, so that no step has to do it again.
  const gram = dampedGram(options.gram, weight.columns, damping);
  const shared = { weight, gram, damping: 0, ...(signal && { signal }) };
  let { quantized } = options;
  for (let round = 0; round < options.rounds; round++) {
    const { candidates, choice } = await candidatesWithPresent(
      ops,
      weight,
      quantized,
      options.candidates,
    );
    const n = candidates.length / choice.length;
    const slope = await errorTimesGram(ops, weight, quantized, gram);
    const chosen = await assignByOutputError({
      ...shared,
      quantized,
      candidates,
      start: choice,
      slope,
    });
    const codes = new Uint16Array(chosen.length);
    for (let i = 0; i < codes.length; i++) codes[i] = candidates[i * n + chosen[i]!]!;
    quantized = await fitCodebooks(ops, {
      ...{ ...shared, iterations: FIT_ITERATIONS },
      quantized: new VqWeight({ ...quantized, codes }),
    });
  }
  return quantized;
}

/** (W - W^) H, [rows, columns] */
function errorTimesGram(
  ops: TensorOps,
  { rows, columns, data }: WeightMatrix,
  quantized: VqWeight,
  gram: Float64Array,
): Promise<Float32Array> {
  const rounded = quantized.reconstruct();
  const error = new Float32Array(data.length);
  for (let i = 0; i < error.length; i++) error[i] = data[i]! - rounded[i]!;
  return ops.scope((s) => {
    const h = s.tensor(new Float32Array(gram), [columns, columns]);
    return s.read(s.matmul(s.tensor(error, [rows, columns]), h));
  });
}

/**
 * The n nearest codewords of each sub-vector (equation 5), by the backend's distances; where the present
 * one is not among them, it takes the place of the farthest.
 *
 * @returns candidates [N, n], and the position [N] of the present code
 */
export async function candidatesWithPresent(
  ops: TensorOps,
  weight: WeightMatrix,
  { groups, k, d, codes, codebook, subvectorsPerGroup: count }: VqWeight,
  n: number,
): Promise<{ candidates: Int32Array; choice: Int32Array }> {
  const candidates = new Int32Array(codes.length * n);
  for (let group = 0; group < groups; group++) {
    const found = await ops.scope((s) => {
      const part = weight.data.subarray(group * count * d, (group + 1) * count * d);
      const own = codebook.subarray(group * k * d, (group + 1) * k * d);
      const { indices } = s.nearest(s.tensor(part, [count, d]), s.tensor(own, [k, d]), n);
      return s.readIndices(indices);
    });
    candidates.set(found, group * count * n);
  }
  const choice = new Int32Array(codes.length);
  for (let i = 0; i < codes.length; i++) {
    const own = candidates.subarray(i * n, (i + 1) * n);
    const at = own.indexOf(codes[i]!);
    choice[i] = at < 0 ? n - 1 : at;
    if (at < 0) own[n - 1] = codes[i]!;
  }
  return { candidates, choice };
}
