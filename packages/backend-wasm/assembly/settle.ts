/** Searches among few codewords in float64: the last word on which is nearest. */
import { BLOCK } from './block-minima';
import { exactDistance, exactPair } from './exact-distance';

/**
 * Looks at codewords first .. last - 1, at most a block, for a row of which only the nearest is
 * wanted; `distance` (float64) and `codeword` (int32) are what was found before, and what is now.
 */
export function settleOne(
  x: usize,
  codebook: usize,
  first: i32,
  last: i32,
  d: i32,
  distance: usize,
  codeword: usize,
): void {
  const bytes = <usize>d << 2;
  let c = codebook + <usize>first * bytes;
  let least = load<f64>(distance);
  if ((d & 1) == 0 && last - first == BLOCK) {
    // Without branches: which of a block is nearest cannot be predicted.
    const pair0 = exactPair(x, c, d);
    const pair1 = exactPair(x, c + 2 * bytes, d);
    const pair2 = exactPair(x, c + 4 * bytes, d);
    const pair3 = exactPair(x, c + 6 * bytes, d);
    const both = f64x2.pmin(f64x2.pmin(pair0, pair1), f64x2.pmin(pair2, pair3));
    const found = min(f64x2.extract_lane(both, 0), f64x2.extract_lane(both, 1));
    if (!(found < least)) return;
    const all = f64x2.splat(found);
    const at =
      i64x2.bitmask(f64x2.eq(pair0, all)) |
      (i64x2.bitmask(f64x2.eq(pair1, all)) << 2) |
      (i64x2.bitmask(f64x2.eq(pair2, all)) << 4) |
      (i64x2.bitmask(f64x2.eq(pair3, all)) << 6);
    store<f64>(distance, found);
    store<i32>(codeword, first + ctz(at));
    return;
  }
  for (let j = first; j < last; j++, c += bytes) {
    const found = exactDistance(x, c, d);
    if (found < least) {
      least = found;
      store<f64>(distance, found);
      store<i32>(codeword, j);
    }
  }
}

/**
 * Puts codewords first .. last - 1 into a row's list of n, nearest first; of equal distances the one
 * that came first stays first.
 */
export function settle(
  x: usize,
  codebook: usize,
  first: i32,
  last: i32,
  d: i32,
  n: i32,
  distances: usize,
  codewords: usize,
): void {
  const bytes = <usize>d << 2;
  const worst = distances + (<usize>(n - 1) << 3);
  for (let j = first, c = codebook + <usize>first * bytes; j < last; j++, c += bytes) {
    const distance = exactDistance(x, c, d);
    if (!(distance < load<f64>(worst))) continue;
    let r = n - 1;
    for (; r > 0; r--) {
      const before = distances + (<usize>(r - 1) << 3);
      if (load<f64>(before) <= distance) break;
      store<f64>(before, load<f64>(before), 8);
      store<i32>(codewords + (<usize>r << 2), load<i32>(codewords + (<usize>(r - 1) << 2)));
    }
    store<f64>(distances + (<usize>r << 3), distance);
    store<i32>(codewords + (<usize>r << 2), j);
  }
}
