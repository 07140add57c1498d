import { candidateSets, ShapeError, type VqWeight, type WeightMatrix } from '@vq4dit/core';

/** Candidates that are told apart: as many as a candidate set may have. */
const RANKS = 4;

/**
 * How often a calibrated matrix uses the nearest, second, third, fourth nearest codeword of each
 * sub-vector (VQ4DiT paper, figure 4), by distance to the codebook that its candidates were taken
 * from. The last count is of all others.
 *
 * @param weight the floating-point matrix
 * @param before its k-means quantization, with the codebook that calibration began with
 * @param after the calibrated matrix
 * @returns counts of ranks 1 to 4, then of the rest; fewer ranks where there are fewer codewords
 * @throws ShapeError where the two quantizations do not have the same sub-vectors and codebook sizes
 */
export async function candidateRanks(
  weight: WeightMatrix,
  before: VqWeight,
  after: VqWeight,
  signal?: AbortSignal,
): Promise<number[]> {
  const { groups, k, d, subvectorsPerGroup: count } = before;
  if (after.k !== k || after.d !== d || after.groups !== groups) {
    throw new ShapeError(
      `${before.name}: codebooks of ${groups} x ${k} codewords of ${d} and of ${after.groups} x ${after.k} of ${after.d} cannot be compared; quantize both alike.`,
    );
  }
  const n = Math.min(RANKS, k);
  const counts = new Array<number>(n + 1).fill(0);
  for (let group = 0; group < groups; group++) {
    const { indices } = await candidateSets({
      data: weight.data.subarray(group * count * d, (group + 1) * count * d),
      dimension: d,
      codebook: before.codebook.subarray(group * k * d, (group + 1) * k * d),
      n,
      ...(signal && { signal }),
    });
    for (let i = 0; i < count; i++) {
      const code = after.codes[group * count + i]!;
      let rank = 0;
      while (rank < n && indices[i * n + rank] !== code) rank++;
      counts[rank]!++;
    }
  }
  return counts;
}
