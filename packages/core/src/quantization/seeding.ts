import type { Pacer } from '../host/pacer.ts';
import type { RandomStream } from '../random/random.ts';

/**
 * k-means++ (Arthur and Vassilvitskii, 2007): the first codeword is a sub-vector drawn by weight,
 * each further one is drawn with a probability proportional to weight times squared distance to
 * the nearest codeword so far. Where all sub-vectors coincide with codewords, any is drawn.
 *
 * @param sample [S, d], finite, S at least k
 * @param weights [S], not negative, with a positive sum; all 1 when absent
 * @returns [k, d]
 */
export async function seedCodebook(
  sample: Float32Array,
  d: number,
  k: number,
  weights: Float64Array | undefined,
  random: RandomStream,
  pacer: Pacer,
): Promise<Float32Array> {
  const count = sample.length / d;
  const codebook = new Float32Array(k * d);
  const nearest = new Float64Array(count).fill(Number.POSITIVE_INFINITY);
  const codeword = new Float64Array(d);
  let row = weights === undefined ? random.integer(count) : draw(weights, sum(weights), random);
  for (let j = 0; ; j++) {
    for (let a = 0; a < d; a++) {
      codeword[a] = sample[row * d + a]!;
      codebook[j * d + a] = codeword[a]!;
    }
    if (j === k - 1) return codebook;
    const total =
      d === 4
        ? approach4(sample, codeword, weights, nearest)
        : approach(sample, d, codeword, weights, nearest);
    row = total > 0 ? draw(nearest, total, random) : random.integer(count);
    if (pacer.due()) await pacer.pause();
  }
}

/** Lowers `nearest` (weight times squared distance) by a new codeword and returns its sum. */
function approach(
  x: Float32Array,
  d: number,
  c: Float64Array,
  weights: Float64Array | undefined,
  nearest: Float64Array,
): number {
  let total = 0;
  for (let i = 0; i < nearest.length; i++) {
    let distance = 0;
    for (let a = 0; a < d; a++) {
      const e = x[i * d + a]! - c[a]!;
      distance += e * e;
    }
    if (weights !== undefined) distance *= weights[i]!;
    if (distance < nearest[i]!) nearest[i] = distance;
    total += nearest[i]!;
  }
  return total;
}

function approach4(
  x: Float32Array,
  c: Float64Array,
  weights: Float64Array | undefined,
  nearest: Float64Array,
): number {
  const c0 = c[0]!;
  const c1 = c[1]!;
  const c2 = c[2]!;
  const c3 = c[3]!;
  let total = 0;
  for (let i = 0; i < nearest.length; i++) {
    const e0 = x[4 * i]! - c0;
    const e1 = x[4 * i + 1]! - c1;
    const e2 = x[4 * i + 2]! - c2;
    const e3 = x[4 * i + 3]! - c3;
    let distance = e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3;
    if (weights !== undefined) distance *= weights[i]!;
    if (distance < nearest[i]!) nearest[i] = distance;
    total += nearest[i]!;
  }
  return total;
}

/** An index with a probability proportional to its share; shares of zero are never drawn. */
function draw(shares: Float64Array, total: number, random: RandomStream): number {
  const target = random.uniform() * total;
  let reached = 0;
  let last = 0;
  for (let i = 0; i < shares.length; i++) {
    if (shares[i]! === 0) continue;
    reached += shares[i]!;
    last = i;
    if (reached > target) break;
  }
  return last;
}

function sum(values: Float64Array): number {
  let total = 0;
  for (let i = 0; i < values.length; i++) total += values[i]!;
  return total;
}
