/**
 * A complete binary tree that cuts the space of sub-vectors into `leaves` cells, each with the
 * bounding box of the sub-vectors that lie in it. Nodes are in heap order: the children of node i
 * are 2i + 1 and 2i + 2, and leaf l is node `leaves - 1 + l`.
 */
export interface SpaceTree {
  readonly d: number;
  readonly depth: number;
  /** 2 ** depth */
  readonly leaves: number;
  /** [leaves - 1] the axis that a node cuts, */
  readonly axis: Int32Array;
  /** [leaves - 1] and where: values above it go to the second child. */
  readonly cut: Float32Array;
  /** [2 leaves - 1, d] lower corners of the boxes; above `high` in a cell without sub-vectors */
  readonly low: Float64Array;
  /** [2 leaves - 1, d] upper corners */
  readonly high: Float64Array;
}

/** Leaf numbers are stored as 16-bit integers. */
const MAX_DEPTH = 16;

/** Sub-vectors of a leaf: fewer make shorter lists of codewords, but more lists to make. */
const SUBVECTORS_PER_LEAF = 64;
const SAMPLES_PER_LEAF = 4;

/** The depth for `count` sub-vectors when the cuts come from `sampled` of them. */
export function spaceTreeDepth(count: number, sampled: number): number {
  const leaves = Math.min(count / SUBVECTORS_PER_LEAF, sampled / SAMPLES_PER_LEAF);
  return Math.max(0, Math.min(MAX_DEPTH, Math.floor(Math.log2(Math.max(1, leaves)))));
}

/** A side of a cut that would have less than this part of a cell's sample is not worth a level. */
const LEAST_PART = 1 / 16;

/**
 * Cuts a sample in two again and again, each node across the axis along which it is longest, at the
 * mean of its values there. Weights have long tails: a cut at the median would give the few far out
 * cells so large that nearly every codeword can be nearest somewhere in them. On a layer of
 * DiT-XL/2 (d = 4, k = 256) lists of codewords are half as long as with medians. Boxes are still
 * empty: `locateRows` and `growBoxes` with every sub-vector, then `closeBoxes`.
 *
 * @param sample [S, d], finite
 */
export function buildSpaceTree(sample: Float32Array, d: number, depth: number): SpaceTree {
  const inner = 2 ** depth - 1;
  const tree = emptyTree(d, depth, new Int32Array(inner), new Float32Array(inner));
  const order = Int32Array.from({ length: sample.length / d }, (_, i) => i);
  splitNode(tree, sample, order, new Int32Array(order.length), 0);
  return tree;
}

function emptyTree(d: number, depth: number, axis: Int32Array, cut: Float32Array): SpaceTree {
  const leaves = 2 ** depth;
  const low = new Float64Array((2 * leaves - 1) * d).fill(Number.POSITIVE_INFINITY);
  const high = new Float64Array((2 * leaves - 1) * d).fill(Number.NEGATIVE_INFINITY);
  return { d, depth, leaves, axis, cut, low, high };
}

/** Splits the members of a node, in place. */
function splitNode(
  tree: SpaceTree,
  sample: Float32Array,
  members: Int32Array,
  scratch: Int32Array,
  node: number,
): void {
  if (node >= tree.leaves - 1) return;
  const { d } = tree;
  const count = members.length;
  let below = 0;
  if (count > 0) {
    const axis = longestAxis(sample, members, d);
    let sum = 0;
    for (let i = 0; i < count; i++) sum += sample[members[i]! * d + axis]!;
    let cut = Math.fround(sum / count);
    below = partition(sample, members, scratch, d, axis, cut);
    if (Math.min(below, count - below) < LEAST_PART * count) {
      cut = median(sample, members, d, axis);
      below = partition(sample, members, scratch, d, axis, cut);
    }
    tree.axis[node] = axis;
    tree.cut[node] = cut;
  }
  splitNode(tree, sample, members.subarray(0, below), scratch, 2 * node + 1);
  splitNode(tree, sample, members.subarray(below), scratch, 2 * node + 2);
}

/** Puts members that are not above the cut first, in their order; returns how many they are. */
function partition(
  sample: Float32Array,
  members: Int32Array,
  scratch: Int32Array,
  d: number,
  axis: number,
  cut: number,
): number {
  let below = 0;
  let above = 0;
  for (let i = 0; i < members.length; i++) {
    const member = members[i]!;
    // Both are written and one is kept: which one cannot be predicted.
    const isAbove = Number(sample[member * d + axis]! > cut);
    scratch[above] = member;
    members[below] = member;
    above += isAbove;
    below += 1 - isAbove;
  }
  members.set(scratch.subarray(0, above), below);
  return below;
}

function median(sample: Float32Array, members: Int32Array, d: number, axis: number): number {
  const values = new Float32Array(members.length);
  for (let i = 0; i < members.length; i++) values[i] = sample[members[i]! * d + axis]!;
  values.sort();
  return values[(values.length - 1) >> 1]!;
}

function longestAxis(sample: Float32Array, members: Int32Array, d: number): number {
  let longest = 0;
  let largest = -1;
  for (let a = 0; a < d; a++) {
    let least = Number.POSITIVE_INFINITY;
    let most = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < members.length; i++) {
      const value = sample[members[i]! * d + a]!;
      least = Math.min(least, value);
      most = Math.max(most, value);
    }
    if (most - least > largest) {
      largest = most - least;
      longest = a;
    }
  }
  return longest;
}

/** The tree's upper `depth` levels, with empty boxes of its own. */
export function upperSpaceTree(tree: SpaceTree, depth: number): SpaceTree {
  return emptyTree(
    tree.d,
    depth,
    tree.axis.subarray(0, 2 ** depth - 1),
    tree.cut.subarray(0, 2 ** depth - 1),
  );
}

/** Writes the leaf of row i of `x` to `leafOf[offset + i]`. */
export function locateRows(
  { d, depth, leaves, axis, cut }: SpaceTree,
  x: Float32Array,
  leafOf: Uint16Array,
  offset: number,
): void {
  const rows = x.length / d;
  const last = leaves - 1;
  let i = 0;
  // Each step down waits for the one before; four rows wait together. And the child is a number
  // from the comparison, not a branch: half of the branches would be mispredicted.
  for (let at = 0; i + 4 <= rows; i += 4) {
    const at0 = at;
    const at1 = at0 + d;
    const at2 = at1 + d;
    const at3 = at2 + d;
    at = at3 + d;
    let node0 = 0;
    let node1 = 0;
    let node2 = 0;
    let node3 = 0;
    for (let level = 0; level < depth; level++) {
      node0 = 2 * node0 + 1 + Number(x[at0 + axis[node0]!]! > cut[node0]!);
      node1 = 2 * node1 + 1 + Number(x[at1 + axis[node1]!]! > cut[node1]!);
      node2 = 2 * node2 + 1 + Number(x[at2 + axis[node2]!]! > cut[node2]!);
      node3 = 2 * node3 + 1 + Number(x[at3 + axis[node3]!]! > cut[node3]!);
    }
    leafOf[offset + i] = node0 - last;
    leafOf[offset + i + 1] = node1 - last;
    leafOf[offset + i + 2] = node2 - last;
    leafOf[offset + i + 3] = node3 - last;
  }
  for (; i < rows; i++) {
    let node = 0;
    for (let level = 0; level < depth; level++) {
      node = 2 * node + 1 + Number(x[i * d + axis[node]!]! > cut[node]!);
    }
    leafOf[offset + i] = node - last;
  }
}

/** Grows the box of each row's leaf by that row. */
export function growBoxes(
  { d, leaves, low, high }: SpaceTree,
  x: Float32Array,
  leafOf: Uint16Array,
  offset: number,
): void {
  for (let i = 0, at = 0; at < x.length; i++, at += d) {
    const box = (leaves - 1 + leafOf[offset + i]!) * d;
    for (let a = 0; a < d; a++) {
      const value = x[at + a]!;
      if (value < low[box + a]!) low[box + a] = value;
      if (value > high[box + a]!) high[box + a] = value;
    }
  }
}

/** Makes the boxes of the leaves of rows in their order: leaf l has rows starts[l] .. starts[l + 1]. */
export function boundLeaves(
  { d, leaves, low, high }: SpaceTree,
  sorted: Float32Array,
  starts: Int32Array,
): void {
  for (let leaf = 0; leaf < leaves; leaf++) {
    const end = starts[leaf + 1]! * d;
    const box = (leaves - 1 + leaf) * d;
    for (let a = 0; a < d; a++) {
      let least = Number.POSITIVE_INFINITY;
      let most = Number.NEGATIVE_INFINITY;
      for (let at = starts[leaf]! * d + a; at < end; at += d) {
        const value = sorted[at]!;
        least = Math.min(least, value);
        most = Math.max(most, value);
      }
      low[box + a] = least;
      high[box + a] = most;
    }
  }
}

/** Makes the box of every inner node from those of its children. */
export function closeBoxes(tree: SpaceTree): void {
  const { d, low, high } = tree;
  for (let node = tree.leaves - 2; node >= 0; node--) {
    for (let a = 0; a < d; a++) {
      const left = (2 * node + 1) * d + a;
      const right = (2 * node + 2) * d + a;
      low[node * d + a] = Math.min(low[left]!, low[right]!);
      high[node * d + a] = Math.max(high[left]!, high[right]!);
    }
  }
}
