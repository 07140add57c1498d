/**
 * {@link filterBox} of kmeans-filter.ts for d = 4, the common case: four codewords at once, in float32.
 * It has no say in what is nearest, only in what need not be looked at; so it may be inexact as
 * long as it errs on the side of keeping.
 *
 * All terms are four times those of the test there, with E = (low - z) + (high - z) = 2 (m - z) in place of
 * the middle: codewords and corners are float32 numbers, and a difference of them is off by at most
 * u = 2^-24 of itself, while the middle would be off by u of the corners, however small the box is.
 * Each E_a is then off by at most 2 u (|E_a| + side_a), its square with the sums by at most
 * 9 u (|E|^2 + D^2), D the diagonal. In the sum, 4 |z_a - p_a| side_a <= E_a(z)^2 + E_a(p)^2 + 2 side_a^2,
 * and |E(p)| <= |E(z)|: so it is off by at most 10 u (|E|^2 + D^2). Both sides and the rounding of the
 * search in float64 stay below 32 u (|E|^2 + D^2); the margin is twice as much. What underflow takes
 * away, at most 2^-150 in each of some 20 operations, is less than `TINY`. Where something
 * overflows, the comparison is one with infinity or NaN, and the codeword is kept.
 */

/** 64 * 2^-24 */
const MARGIN: f32 = 3.814697265625e-6;
/** 2^-140 */
const TINY: f32 = 7.174648137343064e-43;

/**
 * Copies what of a list is not ruled out for a box; returns the number of codewords kept.
 *
 * @param low, high float64 [4], the corners of the box, float32 numbers
 * @param codebook float32 [k, 4]
 * @param from, to uint16; may be the same. Up to three places after the kept ones are written.
 * @param work float32 [length + 3]
 */
export function filterBox4(
  low: usize,
  high: usize,
  codebook: usize,
  from: usize,
  length: i32,
  to: usize,
  work: usize,
): i32 {
  const low4 = narrow(low);
  const high4 = narrow(high);
  const side = f32x4.sub(high4, low4);
  const squares = f32x4.mul(side, side);
  const halves = f32x4.add(squares, v128.shuffle<f32>(squares, squares, 2, 3, 0, 1));
  const diagonal = f32x4.splat(f32x4.extract_lane(halves, 0) + f32x4.extract_lane(halves, 1));
  const last = from + (<usize>(length - 1) << 1);
  let least = f32x4.splat(Infinity);
  let at = i32x4.splat(<i32>load<u16>(from));
  let distance = work;
  for (let p = from; p <= last; p += 8, distance += 16) {
    // What is missing to four codewords is filled up with the last of them.
    const j0 = <i32>load<u16>(p);
    const j1 = <i32>load<u16>(min(p + 2, last));
    const j2 = <i32>load<u16>(min(p + 4, last));
    const j3 = <i32>load<u16>(min(p + 6, last));
    const sums = sumsOf(
      squareOf(low4, high4, codebook, j0),
      squareOf(low4, high4, codebook, j1),
      squareOf(low4, high4, codebook, j2),
      squareOf(low4, high4, codebook, j3),
    );
    v128.store(distance, sums);
    at = v128.bitselect(lanes(j0, j1, j2, j3), at, f32x4.lt(sums, least));
    least = f32x4.pmin(least, sums);
  }
  let worst = f32x4.extract_lane(least, 0);
  let pivot = i32x4.extract_lane(at, 0);
  let next = f32x4.extract_lane(least, 1);
  if (next < worst) {
    worst = next;
    pivot = i32x4.extract_lane(at, 1);
  }
  next = f32x4.extract_lane(least, 2);
  if (next < worst) {
    worst = next;
    pivot = i32x4.extract_lane(at, 2);
  }
  next = f32x4.extract_lane(least, 3);
  if (next < worst) {
    worst = next;
    pivot = i32x4.extract_lane(at, 3);
  }
  const nearest = v128.load(codebook + (<usize>pivot << 4));
  const sides = f32x4.mul(side, f32x4.splat(4));
  const base = f32x4.splat(worst + TINY);
  let kept = to;
  distance = work;
  for (let p = from; p <= last; p += 8, distance += 16) {
    const j0 = <i32>load<u16>(p);
    const j1 = <i32>load<u16>(min(p + 2, last));
    const j2 = <i32>load<u16>(min(p + 4, last));
    const j3 = <i32>load<u16>(min(p + 6, last));
    const sums = sumsOf(
      spanOf(nearest, sides, codebook, j0),
      spanOf(nearest, sides, codebook, j1),
      spanOf(nearest, sides, codebook, j2),
      spanOf(nearest, sides, codebook, j3),
    );
    const far = v128.load(distance);
    const room = f32x4.mul(f32x4.splat(MARGIN), f32x4.add(far, diagonal));
    const isOut = f32x4.gt(f32x4.sub(far, room), f32x4.add(base, sums));
    const missing = max(0, <i32>(p + 6 - last) >> 1);
    const keeps = ~i32x4.bitmask(isOut) & (15 >> missing);
    // Written in any case and counted by a number, not a branch: what stays cannot be predicted.
    store<u16>(kept, <u16>j0);
    kept += <usize>(keeps & 1) << 1;
    store<u16>(kept, <u16>j1);
    kept += <usize>(keeps & 2);
    store<u16>(kept, <u16>j2);
    kept += <usize>(keeps & 4) >> 1;
    store<u16>(kept, <u16>j3);
    kept += <usize>(keeps & 8) >> 2;
  }
  return <i32>((kept - to) >> 1);
}

// @ts-ignore: decorator
@inline
function narrow(corner: usize): v128 {
  const front = f32x4.demote_f64x2_zero(v128.load(corner));
  const back = f32x4.demote_f64x2_zero(v128.load(corner, 16));
  return v128.shuffle<f64>(front, back, 0, 2);
}

// @ts-ignore: decorator
@inline
function lanes(a: i32, b: i32, c: i32, d: i32): v128 {
  const v = i32x4.replace_lane(i32x4.splat(a), 1, b);
  return i32x4.replace_lane(i32x4.replace_lane(v, 2, c), 3, d);
}

/** [4] squares of 2 (m - z) */
// @ts-ignore: decorator
@inline
function squareOf(low: v128, high: v128, codebook: usize, j: i32): v128 {
  const z = v128.load(codebook + (<usize>j << 4));
  const e = f32x4.add(f32x4.sub(low, z), f32x4.sub(high, z));
  return f32x4.mul(e, e);
}

/** [4] terms 4 |z - p| side */
// @ts-ignore: decorator
@inline
function spanOf(pivot: v128, sides: v128, codebook: usize, j: i32): v128 {
  const z = v128.load(codebook + (<usize>j << 4));
  return f32x4.mul(f32x4.abs(f32x4.sub(z, pivot)), sides);
}

/** [4] the sum of the lanes of each */
// @ts-ignore: decorator
@inline
function sumsOf(a: v128, b: v128, c: v128, d: v128): v128 {
  const ab = f32x4.add(v128.shuffle<f32>(a, b, 0, 4, 1, 5), v128.shuffle<f32>(a, b, 2, 6, 3, 7));
  const cd = f32x4.add(v128.shuffle<f32>(c, d, 0, 4, 1, 5), v128.shuffle<f32>(c, d, 2, 6, 3, 7));
  return f32x4.add(v128.shuffle<f32>(ab, cd, 0, 1, 4, 5), v128.shuffle<f32>(ab, cd, 2, 3, 6, 7));
}
