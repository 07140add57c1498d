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

/**
 * Cuts at medians of a sample, each node across the axis of its largest variance. Boxes are still
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

function splitNode(
  tree: SpaceTree,
  sample: Float32Array,
  members: Int32Array,
  scratch: Int32Array,
  node: number,
): void {
  if (node >= tree.leaves - 1) return;
  const { d } = tree;
  const axis = widestAxis(sample, members, d);
  const values = new Float32Array(members.length);
  for (let i = 0; i < members.length; i++) values[i] = sample[members[i]! * d + axis]!;
  values.sort();
  const cut = values.length === 0 ? 0 : values[(values.length - 1) >> 1]!;
  tree.axis[node] = axis;
  tree.cut[node] = cut;
  let below = 0;
  let above = 0;
  for (let i = 0; i < members.length; i++) {
    const member = members[i]!;
    if (sample[member * d + axis]! > cut) scratch[above++] = member;
    else members[below++] = member;
  }
  members.set(scratch.subarray(0, above), below);
  splitNode(tree, sample, members.subarray(0, below), scratch, 2 * node + 1);
  splitNode(tree, sample, members.subarray(below), scratch, 2 * node + 2);
}

function widestAxis(sample: Float32Array, members: Int32Array, d: number): number {
  let widest = 0;
  let largest = -1;
  for (let a = 0; a < d; a++) {
    let sum = 0;
    let squares = 0;
    for (let i = 0; i < members.length; i++) {
      const value = sample[members[i]! * d + a]!;
      sum += value;
      squares += value * value;
    }
    const variance = squares - (sum * sum) / members.length;
    if (variance > largest) {
      largest = variance;
      widest = a;
    }
  }
  return widest;
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
  for (let i = 0, at = 0; at < x.length; i++, at += d) {
    let node = 0;
    // A number from the comparison, not a branch: half of the branches would be mispredicted.
    for (let level = 0; level < depth; level++) {
      node = 2 * node + 1 + Number(x[at + axis[node]!]! > cut[node]!);
    }
    leafOf[offset + i] = node - (leaves - 1);
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
