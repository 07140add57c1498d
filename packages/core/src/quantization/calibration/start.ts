import { candidateSets } from '../candidates.ts';
import type { VqWeight, WeightMatrix } from '../quantized-weight.ts';
import { initialLogits } from '../ratios.ts';
import type { LayerStart } from './layer.ts';
import type { CalibrationOptions } from './options.ts';

/**
 * Candidate sets and first ratios (equations 5 and 6) of a layer that k-means has quantized.
 *
 * @param weight the floating-point matrix
 * @param quantized its hard quantization, whose codebooks the candidates are taken from
 * @throws ArgumentError where a codebook has fewer codewords than there are candidates
 */
export async function startLayer(
  weight: WeightMatrix,
  quantized: VqWeight,
  bias: Float32Array,
  options: Pick<CalibrationOptions, 'candidates' | 'ratioStart'>,
  signal?: AbortSignal,
): Promise<LayerStart> {
  const { groups, k, d, subvectorsPerGroup: count } = quantized;
  const n = options.candidates;
  const candidates = new Int32Array(groups * count * n);
  const logits = new Float32Array(candidates.length);
  for (let group = 0; group < groups; group++) {
    const sets = await candidateSets({
      data: weight.data.subarray(group * count * d, (group + 1) * count * d),
      dimension: d,
      codebook: quantized.codebook.subarray(group * k * d, (group + 1) * k * d),
      n,
      ...(signal && { signal }),
    });
    candidates.set(sets.indices, group * count * n);
    logits.set(initialLogits(sets, options.ratioStart), group * count * n);
  }
  return { weight: quantized, candidates, logits, bias };
}
