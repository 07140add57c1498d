import { RandomStream, ShapeError, type VqWeight } from '@vq4dit/core';

/** How well the gradients of sub-vectors with one codeword agree. */
export interface GradientAgreement {
  /** Mean cosine over all pairs of sub-vectors that share a codeword. */
  readonly shared: number;
  /** The same over all pairs of the matrix (each row group by itself): what chance gives. */
  readonly all: number;
  /** Pairs that share a codeword. */
  readonly pairs: number;
  /** Cosines of some pairs that share a codeword, drawn with equal chance. */
  readonly sample: readonly number[];
}

/**
 * Cosine similarity between gradients of sub-vectors that share a codeword (VQ4DiT paper, figure 3):
 * near 0, their sum, which is what a codeword learns from, says little about any of them. All pairs
 * are counted, without visiting them: the cosines of n unit vectors u sum up to |sum u|^2 - n.
 * Sub-vectors without a gradient are left out.
 *
 * @param gradient [rows, columns] of the weight
 * @param samples pairs to draw
 * @throws ShapeError where the gradient has another size than the weight
 */
export function gradientAgreement(
  weight: VqWeight,
  gradient: Float32Array,
  samples: number,
  seed: number | bigint = 0,
): GradientAgreement {
  const { groups, k, d, codes, subvectorsPerGroup: perGroup } = weight;
  if (gradient.length !== weight.rows * weight.columns) {
    throw new ShapeError(
      `${weight.name}: a gradient of ${gradient.length} values does not fit ${weight.rows} x ${weight.columns} weights.`,
    );
  }
  const units = unitVectors(gradient, d);
  const members: number[][] = Array.from({ length: groups * k }, () => []);
  const sums = new Float64Array(groups * k * d);
  for (let i = 0; i < codes.length; i++) {
    if (Number.isNaN(units[i * d]!)) continue;
    const codeword = Math.floor(i / perGroup) * k + codes[i]!;
    members[codeword]!.push(i);
    for (let j = 0; j < d; j++) sums[codeword * d + j]! += units[i * d + j]!;
  }
  const shared = new PairSum();
  const all = new PairSum();
  for (let group = 0; group < groups; group++) {
    const total = new Float64Array(d);
    let count = 0;
    for (let codeword = group * k; codeword < (group + 1) * k; codeword++) {
      const sum = sums.subarray(codeword * d, (codeword + 1) * d);
      shared.add(sum, members[codeword]!.length);
      for (let j = 0; j < d; j++) total[j]! += sum[j]!;
      count += members[codeword]!.length;
    }
    all.add(total, count);
  }
  const stream = new RandomStream(seed, 'evaluation').derive('gradient-pairs', weight.name);
  const sample = samplePairs(members, samples, stream, (a, b) => {
    let cosine = 0;
    for (let j = 0; j < d; j++) cosine += units[a * d + j]! * units[b * d + j]!;
    return cosine;
  });
  return { shared: shared.mean, all: all.mean, pairs: shared.pairs, sample };
}

/** Sums cosines over pairs of unit vectors from the sums of the vectors. */
class PairSum {
  pairs = 0;
  private cosines = 0;

  add(sum: Float64Array, count: number): void {
    if (count < 2) return;
    const square = sum.reduce((total, value) => total + value * value, 0);
    this.cosines += (square - count) / 2;
    this.pairs += (count * (count - 1)) / 2;
  }

  get mean(): number {
    return this.pairs === 0 ? Number.NaN : this.cosines / this.pairs;
  }
}

/** Each sub-vector at length 1; NaN where it has no length. */
function unitVectors(values: Float32Array, d: number): Float64Array {
  const units = new Float64Array(values.length);
  for (let at = 0; at < values.length; at += d) {
    let square = 0;
    for (let j = 0; j < d; j++) square += values[at + j]! ** 2;
    const length = Math.sqrt(square);
    for (let j = 0; j < d; j++) units[at + j] = length > 0 ? values[at + j]! / length : Number.NaN;
  }
  return units;
}

/** Draws pairs within the groups of members, each pair of the matrix with equal chance. */
function samplePairs(
  members: readonly number[][],
  samples: number,
  stream: RandomStream,
  cosine: (a: number, b: number) => number,
): number[] {
  const ends: number[] = [];
  let total = 0;
  for (const { length } of members) {
    total += (length * (length - 1)) / 2;
    ends.push(total);
  }
  if (total === 0) return [];
  return Array.from({ length: samples }, () => {
    const at = stream.uniform() * total;
    const own = members[ends.findIndex((end) => at < end)]!;
    const first = stream.integer(own.length);
    const other = (first + 1 + stream.integer(own.length - 1)) % own.length;
    return cosine(own[first]!, own[other]!);
  });
}
