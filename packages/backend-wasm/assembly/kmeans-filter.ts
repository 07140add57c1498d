/**
 * K-means, where to look: which codewords can be nearest to a row somewhere in a box. What is ruled
 * out for a box is ruled out for all boxes inside it; so the lists of a tree's leaves come from a walk
 * down the tree: the filtering of Kanungo et al., "An efficient k-means clustering algorithm",
 * PAMI 24 (2002).
 *
 * Let p be the codeword nearest to the middle m of the box. |x - z|^2 - |x - p|^2 is linear in x with
 * gradient 2 (p - z), so in the box it is at least |m - z|^2 - |m - p|^2 - sum_a |z_a - p_a| side_a.
 * Where that is positive, p is nearer than z everywhere in the box. The margin for rounding is that of
 * `listCodewords` in core, with the same proof: it holds for any order of summation.
 */

/** Room for rounding, as a part of squared lengths, for each of d + 2 operations: 64 * 2^-53. */
const MARGIN: f64 = 7.105427357601002e-15;

/**
 * Copies what of a list is not ruled out for a box; returns the number of codewords kept.
 *
 * @param low, high float64 [d], the corners of the box
 * @param codebook float64 [k, d]
 * @param from, to uint16; may be the same
 * @param work float64 [length + 2 d]
 */
export function filterBox(
  low: usize,
  high: usize,
  codebook: usize,
  d: i32,
  from: usize,
  length: i32,
  to: usize,
  work: usize,
): i32 {
  const bytes = <usize>d << 3;
  const middles = work;
  const sides = work + bytes;
  const distances = sides + bytes;
  let diagonal: f64 = 0;
  for (let a: usize = 0; a < bytes; a += 8) {
    const side = load<f64>(high + a) - load<f64>(low + a);
    store<f64>(middles + a, (load<f64>(low + a) + load<f64>(high + a)) / 2);
    store<f64>(sides + a, side);
    diagonal += side * side;
  }
  const pairs = bytes & ~15;
  let worst: f64 = Infinity;
  let pivot = codebook;
  let distance = distances;
  const last = from + (<usize>length << 1);
  for (let p = from; p < last; p += 2, distance += 8) {
    const c = codebook + <usize>load<u16>(p) * bytes;
    let sums = f64x2.splat(0);
    for (let a: usize = 0; a < pairs; a += 16) {
      const e = f64x2.sub(v128.load(middles + a), v128.load(c + a));
      sums = f64x2.add(sums, f64x2.mul(e, e));
    }
    let sum = f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
    if (pairs < bytes) {
      const e = load<f64>(middles + pairs) - load<f64>(c + pairs);
      sum += e * e;
    }
    store<f64>(distance, sum);
    if (sum < worst) {
      worst = sum;
      pivot = c;
    }
  }
  const margin = MARGIN * <f64>(d + 2);
  let kept = to;
  distance = distances;
  for (let p = from; p < last; p += 2, distance += 8) {
    const codeword = load<u16>(p);
    const c = codebook + <usize>codeword * bytes;
    let sums = f64x2.splat(0);
    for (let a: usize = 0; a < pairs; a += 16) {
      const e = f64x2.abs(f64x2.sub(v128.load(c + a), v128.load(pivot + a)));
      sums = f64x2.add(sums, f64x2.mul(e, v128.load(sides + a)));
    }
    let span = worst + f64x2.extract_lane(sums, 0) + f64x2.extract_lane(sums, 1);
    if (pairs < bytes) {
      span += abs(load<f64>(c + pairs) - load<f64>(pivot + pairs)) * load<f64>(sides + pairs);
    }
    const far = load<f64>(distance);
    store<u16>(kept, codeword);
    // A number from the comparison, not a branch: whether a codeword stays cannot be predicted.
    kept += <usize>!(far - margin * (far + diagonal) > span) << 1;
  }
  return <i32>((kept - to) >> 1);
}
