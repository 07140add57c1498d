import type { TensorOps } from '../tensor/ops.ts';
import { candidateSets } from './candidates.ts';
import { fitCodebooks } from './codebook-fit.ts';
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

/**
 * Lloyd's two steps under the error of the layer's output instead of that of its weights: assignments by
 * coordinate descent over the nearest codewords and the present one ({@link assignByOutputError}),
 * then codebooks by least squares ({@link fitCodebooks}). Neither raises
 * trace((W - W^) H (W - W^)^T).
 *
 * @throws as the two steps do
 */
export async function refineByOutputError(
  ops: TensorOps,
  options: RefineOptions,
): Promise<VqWeight> {
  const { weight, gram, damping, signal } = options;
  const shared = {
    weight,
    gram,
    ...(damping !== undefined && { damping }),
    ...(signal && { signal }),
  };
  let { quantized } = options;
  for (let round = 0; round < options.rounds; round++) {
    const { candidates, choice } = await candidatesWithPresent(weight, quantized, options);
    const n = candidates.length / choice.length;
    const chosen = await assignByOutputError({ ...shared, quantized, candidates, start: choice });
    const codes = Uint16Array.from(chosen, (position, i) => candidates[i * n + position]!);
    quantized = await fitCodebooks(ops, {
      ...shared,
      quantized: new VqWeight({ ...quantized, codes }),
    });
  }
  return quantized;
}

/**
 * The n nearest codewords of each sub-vector; where the present one is not among them, it takes the
 * place of the farthest.
 *
 * @returns candidates [N, n], and the position [N] of the present code
 */
export async function candidatesWithPresent(
  weight: WeightMatrix,
  { groups, k, d, codes, codebook, subvectorsPerGroup: count }: VqWeight,
  { candidates: n, signal }: { readonly candidates: number; readonly signal?: AbortSignal },
): Promise<{ candidates: Int32Array; choice: Int32Array }> {
  const candidates = new Int32Array(codes.length * n);
  for (let group = 0; group < groups; group++) {
    const sets = await candidateSets({
      data: weight.data.subarray(group * count * d, (group + 1) * count * d),
      dimension: d,
      codebook: codebook.subarray(group * k * d, (group + 1) * k * d),
      n,
      ...(signal && { signal }),
    });
    candidates.set(sets.indices, group * count * n);
  }
  const choice = new Int32Array(codes.length);
  for (let i = 0; i < codes.length; i++) {
    const own = candidates.subarray(i * n, (i + 1) * n);
    const found = own.indexOf(codes[i]!);
    choice[i] = found < 0 ? n - 1 : found;
    if (found < 0) own[n - 1] = codes[i]!;
  }
  return { candidates, choice };
}
