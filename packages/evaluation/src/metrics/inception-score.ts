import { ArgumentError, NonFiniteError, ShapeError } from '@vq4dit/core';

/**
 * The Inception Score (Salimans et al. 2016, section 4): exp of the mean over images of
 * KL(p(y|x) || p(y)), p(y) being the mean over the images of the split.
 *
 * @param logits [N, classes] before the softmax
 * @param splits parts that the images are cut into, in order; the score is the mean over parts.
 * 1 uses all images at once, as the ADM evaluation does per 5,000 images. Default 1
 * @throws ArgumentError where there are fewer images than splits
 * @throws ShapeError where the length is not a multiple of the classes
 * @throws NonFiniteError for NaN or infinity
 */
export function inceptionScore(
  logits: Float32Array | Float64Array,
  classes: number,
  splits = 1,
): { readonly mean: number; readonly deviation: number } {
  if (!Number.isInteger(classes) || classes < 1 || logits.length % classes !== 0) {
    throw new ShapeError(`${logits.length} logits are not a whole number of rows of ${classes}.`);
  }
  const count = logits.length / classes;
  if (!Number.isInteger(splits) || splits < 1 || count < splits) {
    throw new ArgumentError(
      `The Inception Score needs at least one image in each of ${splits} splits, got ${count}.`,
    );
  }
  if (!logits.every(Number.isFinite)) {
    throw new NonFiniteError('The Inception Score needs finite logits, got NaN or infinity.');
  }
  const scores = Array.from({ length: splits }, (_, part) => {
    const from = Math.floor((part * count) / splits);
    const to = Math.floor(((part + 1) * count) / splits);
    return scoreOf(logits.subarray(from * classes, to * classes), classes);
  });
  const mean = scores.reduce((a, b) => a + b, 0) / splits;
  const variance = scores.reduce((sum, score) => sum + (score - mean) ** 2, 0) / splits;
  return { mean, deviation: Math.sqrt(variance) };
}

/** exp(mean_x sum_y p(y|x) log p(y|x) - sum_y p(y) log p(y)), the KL divergence taken apart. */
function scoreOf(logits: Float32Array | Float64Array, classes: number): number {
  const count = logits.length / classes;
  const marginal = new Float64Array(classes);
  let negativeEntropy = 0;
  for (let at = 0; at < logits.length; at += classes) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let y = 0; y < classes; y++) largest = Math.max(largest, logits[at + y]!);
    let total = 0;
    for (let y = 0; y < classes; y++) total += Math.exp(logits[at + y]! - largest);
    const logTotal = Math.log(total);
    for (let y = 0; y < classes; y++) {
      const logP = logits[at + y]! - largest - logTotal;
      const p = Math.exp(logP);
      negativeEntropy += p * logP;
      marginal[y]! += p / count;
    }
  }
  let score = negativeEntropy / count;
  for (const p of marginal) if (p > 0) score -= p * Math.log(p);
  return Math.exp(score);
}
