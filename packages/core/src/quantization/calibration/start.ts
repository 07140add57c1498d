import { ArgumentError } from '../../errors.ts';
import { candidateSets } from '../candidates.ts';
import { assignByOutputError } from '../output-error.ts';
import { type VqWeight, type WeightMatrix, weightError } from '../quantized-weight.ts';
import { initialLogits } from '../ratios.ts';
import type { LayerStart } from './layer.ts';
import type { CalibrationOptions } from './options.ts';

/** What {@link startLayer} needs of a recipe, and statistics where the recipe asks for them. */
export interface StartOptions extends Pick<CalibrationOptions, 'candidates' | 'ratioStart'> {
  /** Mean of x x^T over the layer's inputs, [columns, columns]; for `output-error`. */
  readonly gram?: Float64Array;
  readonly signal?: AbortSignal;
}

/** Logit of the candidate that was chosen by output error; the others have 0. */
const CHOSEN = 4;

/**
 * Candidate sets and first ratios (equations 5 and 6) of a layer that k-means has quantized.
 *
 * @param weight the floating-point matrix
 * @param quantized its hard quantization, whose codebooks the candidates are taken from
 * @throws ArgumentError where a codebook has fewer codewords than there are candidates, or the Gram
 *   matrix is missing
 */
export async function startLayer(
  weight: WeightMatrix,
  quantized: VqWeight,
  bias: Float32Array,
  options: StartOptions,
): Promise<LayerStart> {
  const { groups, k, d, subvectorsPerGroup: count } = quantized;
  const { candidates: n, ratioStart, gram, signal } = options;
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
    if (ratioStart !== 'output-error') {
      logits.set(initialLogits(sets, ratioStart), group * count * n);
    }
  }
  if (ratioStart === 'output-error') {
    if (!gram) {
      throw new ArgumentError(
        `${weight.name}: choosing assignments by output error needs the Gram matrix of the layer's inputs; collectGrams makes it.`,
      );
    }
    const choice = await assignByOutputError({
      ...{ weight, quantized, candidates, gram },
      ...(signal && { signal }),
    });
    for (let i = 0; i < choice.length; i++) logits[i * n + choice[i]!] = CHOSEN;
  }
  return { weight: quantized, candidates, logits, bias, error: weightError(weight, quantized) };
}
