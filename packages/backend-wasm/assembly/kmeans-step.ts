/**
 * One iteration of k-means over rows in the order of the leaves of a tree that cuts their space: every
 * row is assigned to its nearest codeword and added to that codeword's sum.
 *
 * A chunk is a subtree. It walks from the root to the subtree and down to its leaves, and on the way
 * shortens the list of codewords that can be nearest (kmeans-filter.ts); with what is left it looks at
 * the leaf's rows (kmeans-leaf.ts) at once. So no list outlives its leaf, and a chunk needs nothing
 * from another one.
 */
import { filterBox } from './kmeans-filter';
import { filterBox4 } from './kmeans-filter4';
import { assignLeaf, setLeafContext } from './kmeans-leaf';
import { clearPartial } from './partial-sums';
import { scratch } from './scratch';

/** Scratch memory: 4 lanes of results, lists of 17 levels (65536 codewords), and working memory. */
const LISTS: usize = 64;
const WORK: usize = 5 << 19;

let rowStarts: usize = 0;
let low: usize = 0;
let high: usize = 0;
let codebook: usize = 0;
let narrow: usize = 0;
let k: i32 = 0;
let d: i32 = 0;
let depth: i32 = 0;

/**
 * Arguments: x float32 [N, d], first row of each leaf int32 [leaves + 1], low and high corners float64
 * [2 leaves - 1, d], codebook float64 [k, d], all codewords uint16 [k], weights float64 [N] or 0,
 * assignments uint16 [N], partial results float64 [chunks, k (d + 1) + 2], k, d, depth of the tree,
 * depth of the subtrees' roots, codebook float32 [k, d]. Chunks: 2^(depth of the roots).
 */
export function kmeansStep(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args);
  rowStarts = load<usize>(args, 4);
  low = load<usize>(args, 8);
  high = load<usize>(args, 12);
  codebook = load<usize>(args, 16);
  const all = load<usize>(args, 20);
  const weights = load<usize>(args, 24);
  const assigned = load<usize>(args, 28);
  const partials = load<usize>(args, 32);
  k = load<i32>(args, 36);
  d = load<i32>(args, 40);
  depth = load<i32>(args, 44);
  const roots = load<i32>(args, 48);
  narrow = load<usize>(args, 52);
  for (let chunk = begin; chunk < end; chunk++) {
    const partial = clearPartial(partials, chunk, k * (d + 1) + 2);
    setLeafContext(x, d, codebook, k, weights, assigned, partial);
    let from = all;
    let length = k;
    for (let level = 0; level < roots; level++) {
      const to = levelList(level);
      const node = (1 << level) - 1 + (chunk >> (roots - level));
      length = shorten(node, from, length, to);
      from = to;
    }
    visit((1 << roots) - 1 + chunk, roots, from, length);
  }
}

// @ts-ignore: decorator
@inline
function levelList(level: i32): usize {
  return scratch() + LISTS + ((<usize>level * <usize>k) << 1);
}

/** The list of a node from that of its parent; empty where no row lies in its box. */
function shorten(node: i32, from: usize, length: i32, to: usize): i32 {
  const box = <usize>(node * d) << 3;
  if (load<f64>(low + box) > load<f64>(high + box)) return 0;
  if (length > 1) {
    if (d == 4) {
      return filterBox4(low + box, high + box, narrow, from, length, to, scratch() + WORK);
    }
    return filterBox(low + box, high + box, codebook, d, from, length, to, scratch() + WORK);
  }
  if (length == 1) store<u16>(to, load<u16>(from));
  return length;
}

/**
 * Goes down from a node, whose parent's list is given. Lists are shortened on every second level,
 * counted from the leaves: a level of lists costs more than it saves the next one.
 */
function visit(node: i32, level: i32, from: usize, length: i32): void {
  let list = from;
  let kept = length;
  if (((depth - level) & 1) == 0) {
    list = levelList(level);
    kept = shorten(node, from, length, list);
    if (kept == 0) return;
  }
  if (level < depth) {
    visit(2 * node + 1, level + 1, list, kept);
    visit(2 * node + 2, level + 1, list, kept);
    return;
  }
  const starts = rowStarts + (<usize>(node + 1 - (1 << depth)) << 2);
  const work = scratch() + WORK;
  assignLeaf(load<i32>(starts), load<i32>(starts, 4), list, list + (<usize>kept << 1), work);
}

/** Results of one chunk of {@link kmeansTotal}. */
const CHUNK_SUMS: i32 = 4096;

/**
 * Adds partial results in the order of the chunks.
 *
 * Arguments: partial results float64 [count, length], count, length, totals float64 [length]. Chunks:
 * ceil(length / 4096).
 */
export function kmeansTotal(args: usize, begin: i32, end: i32): void {
  const partials = load<usize>(args);
  const count = load<i32>(args, 4);
  const length = load<i32>(args, 8);
  const totals = load<usize>(args, 12);
  const stop = min(end * CHUNK_SUMS, length);
  for (let i = begin * CHUNK_SUMS; i < stop; i++) {
    let sum: f64 = 0;
    let p = partials + (<usize>i << 3);
    for (let c = 0; c < count; c++, p += <usize>length << 3) sum += load<f64>(p);
    store<f64>(totals + (<usize>i << 3), sum);
  }
}
