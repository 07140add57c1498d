import { ArgumentError, ShapeError } from '../errors.ts';
import type { CandidateSets } from './candidates.ts';

/**
 * Where the ratios of a candidate set start.
 * - `uniform`: logits 0, so every ratio is 1/n (the paper, equation 6).
 * - `inverse-distance`: nearer candidates start higher (the published code).
 */
export type RatioStart = 'uniform' | 'inverse-distance';

/** Keeps the logarithm finite where a sub-vector is a codeword; in the units of the weights. */
const DISTANCE_FLOOR = 1e-5;

/**
 * The first logits z of the ratios r = softmax(z).
 *
 * With Euclidean distances d_0 <= ... <= d_last, `inverse-distance` gives
 * z_j = log(d_last / (d_j + 1e-5)) and z_last = 0; for n = 2 that is r_0 = d_1 / (d_0 + d_1) but
 * for the 1e-5. That constant is in the units of the weights: where all distances are below it, it
 * decides the ratios. A sub-vector all of whose candidates are at distance 0 gets logits 0.
 *
 * @returns [N * n]
 * @throws ArgumentError for an unknown start
 */
export function initialLogits(
  { n, distances }: Pick<CandidateSets, 'n' | 'distances'>,
  start: RatioStart,
): Float32Array {
  const logits = new Float32Array(distances.length);
  if (start === 'uniform') return logits;
  if (start !== 'inverse-distance') {
    throw new ArgumentError(
      `Unknown start of the ratios: ${start}; use 'uniform' or 'inverse-distance'.`,
    );
  }
  for (let row = 0; row < distances.length; row += n) {
    const last = Math.sqrt(distances[row + n - 1]!);
    if (last === 0) continue;
    for (let j = row; j < row + n - 1; j++) {
      logits[j] = Math.log(last / (Math.sqrt(distances[j]!) + DISTANCE_FLOOR));
    }
  }
  return logits;
}

/**
 * Ratios r = softmax(z) of each row of logits (equation 6), computed in float64.
 *
 * @param logits [N * n], finite
 * @returns [N * n], each row sums to 1 within float32 rounding
 * @throws ShapeError when n does not divide the length
 */
export function ratiosOf(logits: Float32Array, n: number): Float32Array {
  if (!Number.isInteger(n) || n < 1 || logits.length % n !== 0) {
    throw new ShapeError(`Rows of ${n} do not divide ${logits.length} logits.`);
  }
  const ratios = new Float32Array(logits.length);
  const powers = new Float64Array(n);
  for (let row = 0; row < logits.length; row += n) {
    let largest = Number.NEGATIVE_INFINITY;
    for (let j = 0; j < n; j++) largest = Math.max(largest, logits[row + j]!);
    let sum = 0;
    for (let j = 0; j < n; j++) {
      powers[j] = Math.exp(logits[row + j]! - largest);
      sum += powers[j]!;
    }
    for (let j = 0; j < n; j++) ratios[row + j] = powers[j]! / sum;
  }
  return ratios;
}
