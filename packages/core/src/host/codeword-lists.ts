import { insertNearest } from './nearest.ts';
import type { SpaceTree } from './space-tree.ts';

/** For each leaf of a tree the codewords that can be nearest to a sub-vector in it. */
export interface CodewordLists {
  /** [leaves + 1] where the list of each leaf starts in `codewords` */
  readonly start: Int32Array;
  /** the lists, each ascending */
  readonly codewords: Int32Array;
}

/** Room for rounding, as a part of squared lengths, for each of d + 2 operations. */
const MARGIN = 64 * 2 ** -53;

/**
 * Finds for every leaf the codewords that can be among the `n` nearest of a sub-vector in its box.
 * All others are ruled out for the whole box at once, and on the way down for all boxes inside it:
 * the filtering of Kanungo et al., "An efficient k-means clustering algorithm", PAMI 24 (2002).
 *
 * Let p be one of the n codewords nearest to the middle m of the box. |x - z|^2 - |x - p|^2 is
 * linear in x with gradient 2 (p - z), so in the box it is at least
 * |m - z|^2 - |m - p|^2 - sum_a |z_a - p_a| side_a. Where that is positive, p is nearer than z
 * everywhere in the box. A codeword beaten so by all n is not on the list.
 *
 * The search that uses these lists gives exactly what comparing with all codewords gives, because
 * the test leaves room for rounding. A computed squared distance is off by at most
 * (d + 2) 2^-53 of itself (all terms are positive, and no float32 square leaves float64's range);
 * with D the diagonal of the box, both distances at any x in it, and all terms of the test, are
 * below 4 (|m - z|^2 + D^2). The margin is several times what these add up to.
 *
 * @param codebook [k, d], finite
 * @param n 1 to k
 */
export function listCodewords(tree: SpaceTree, codebook: Float64Array, n: number): CodewordLists {
  const { d, leaves, low, high } = tree;
  const k = codebook.length / d;
  const start = new Int32Array(leaves + 1);
  let codewords = new Int32Array(leaves * (n + 6) + k);
  let used = 0;
  const scratch: Scratch = {
    middle: new Float64Array(d),
    side: new Float64Array(d),
    distances: new Float64Array(k),
    pivots: new Int32Array(n),
    pivotDistances: new Float64Array(n),
  };
  const levels = Array.from({ length: tree.depth + 1 }, () => new Int32Array(k));

  function visit(node: number, level: number, from: Int32Array, length: number): void {
    let list = from;
    let kept = length;
    if (low[node * d]! > high[node * d]!) {
      kept = 0;
    } else if (length > n) {
      list = levels[level]!;
      kept =
        d === 4 && n === 1
          ? filterBox4(low, high, node * 4, codebook, from, length, list, scratch.distances)
          : filterBox(low, high, node * d, codebook, d, from, length, list, n, scratch);
    }
    if (level < tree.depth) {
      visit(2 * node + 1, level + 1, list, kept);
      visit(2 * node + 2, level + 1, list, kept);
      return;
    }
    if (used + kept > codewords.length) {
      const larger = new Int32Array(2 * (used + kept));
      larger.set(codewords);
      codewords = larger;
    }
    for (let i = 0; i < kept; i++) codewords[used++] = list[i]!;
    start[node - leaves + 2] = used;
  }

  visit(
    0,
    0,
    Int32Array.from({ length: k }, (_, j) => j),
    k,
  );
  return { start, codewords };
}

interface Scratch {
  readonly middle: Float64Array;
  readonly side: Float64Array;
  /** [k] squared distance of each codeword on the list from the middle */
  readonly distances: Float64Array;
  readonly pivots: Int32Array;
  readonly pivotDistances: Float64Array;
}

/** Copies to `to` what of `from` is not ruled out for the box at `box`; returns how many. */
function filterBox(
  low: Float64Array,
  high: Float64Array,
  box: number,
  codebook: Float64Array,
  d: number,
  from: Int32Array,
  length: number,
  to: Int32Array,
  n: number,
  { middle, side, distances, pivots, pivotDistances }: Scratch,
): number {
  let diagonal = 0;
  for (let a = 0; a < d; a++) {
    middle[a] = (low[box + a]! + high[box + a]!) / 2;
    side[a] = high[box + a]! - low[box + a]!;
    diagonal += side[a]! * side[a]!;
  }
  let held = 0;
  let worst = Number.POSITIVE_INFINITY;
  for (let i = 0; i < length; i++) {
    const z = from[i]! * d;
    let distance = 0;
    for (let a = 0; a < d; a++) {
      const e = middle[a]! - codebook[z + a]!;
      distance += e * e;
    }
    distances[i] = distance;
    if (distance < worst) {
      held = insertNearest(pivotDistances, pivots, held, n, distance, from[i]!);
      if (held === n) worst = pivotDistances[n - 1]!;
    }
  }
  const margin = MARGIN * (d + 2);
  let kept = 0;
  for (let i = 0; i < length; i++) {
    const z = from[i]! * d;
    const needed = distances[i]! - margin * (distances[i]! + diagonal);
    let beaten = needed > worst;
    for (let r = 0; r < n && beaten; r++) {
      const p = pivots[r]! * d;
      let span = pivotDistances[r]!;
      for (let a = 0; a < d; a++) span += Math.abs(codebook[z + a]! - codebook[p + a]!) * side[a]!;
      beaten = needed > span;
    }
    if (!beaten) to[kept++] = from[i]!;
  }
  return kept;
}

/** The same for d = 4 and n = 1, the common case, without inner loops. */
function filterBox4(
  low: Float64Array,
  high: Float64Array,
  box: number,
  c: Float64Array,
  from: Int32Array,
  length: number,
  to: Int32Array,
  distances: Float64Array,
): number {
  const m0 = (low[box]! + high[box]!) / 2;
  const m1 = (low[box + 1]! + high[box + 1]!) / 2;
  const m2 = (low[box + 2]! + high[box + 2]!) / 2;
  const m3 = (low[box + 3]! + high[box + 3]!) / 2;
  const s0 = high[box]! - low[box]!;
  const s1 = high[box + 1]! - low[box + 1]!;
  const s2 = high[box + 2]! - low[box + 2]!;
  const s3 = high[box + 3]! - low[box + 3]!;
  const diagonal = s0 * s0 + s1 * s1 + s2 * s2 + s3 * s3;
  let worst = Number.POSITIVE_INFINITY;
  let pivot = 0;
  for (let i = 0; i < length; i++) {
    const z = from[i]! * 4;
    const e0 = m0 - c[z]!;
    const e1 = m1 - c[z + 1]!;
    const e2 = m2 - c[z + 2]!;
    const e3 = m3 - c[z + 3]!;
    const distance = e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3;
    distances[i] = distance;
    if (distance < worst) {
      worst = distance;
      pivot = z;
    }
  }
  const p0 = c[pivot]!;
  const p1 = c[pivot + 1]!;
  const p2 = c[pivot + 2]!;
  const p3 = c[pivot + 3]!;
  const margin = MARGIN * 6;
  let kept = 0;
  for (let i = 0; i < length; i++) {
    const z = from[i]! * 4;
    const needed = distances[i]! - margin * (distances[i]! + diagonal);
    const span =
      worst +
      Math.abs(c[z]! - p0) * s0 +
      Math.abs(c[z + 1]! - p1) * s1 +
      Math.abs(c[z + 2]! - p2) * s2 +
      Math.abs(c[z + 3]! - p3) * s3;
    if (!(needed > span)) to[kept++] = from[i]!;
  }
  return kept;
}
