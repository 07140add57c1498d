import type { Pacer } from '../host/pacer.ts';
import {
  boundLeaves,
  closeBoxes,
  growBoxes,
  locateRows,
  type SpaceTree,
} from '../host/space-tree.ts';
import { flatSubvectors, forEachBlock, type SubvectorSource } from './subvectors.ts';

/** Sub-vectors whose leaf in a space tree is known. */
export interface LocatedSubvectors {
  readonly source: SubvectorSource;
  readonly tree: SpaceTree;
  /** [N] the leaf of each sub-vector of `source` */
  readonly leafOf: Uint16Array;
  /** The sub-vectors in the order of their leaves, where they are in memory. */
  readonly sorted?: SortedSubvectors;
}

/** Sub-vectors in the order of their leaves. */
export interface SortedSubvectors {
  /** [N, d] */
  readonly values: Float32Array;
  /** [N] the original position of each */
  readonly order: Uint32Array;
  /** [leaves + 1] the first sub-vector of each leaf */
  readonly starts: Int32Array;
}

/**
 * Levels of the tree above the subtrees whose sums are added up apart: so many of them that threads
 * can share them out evenly, and always as many, so that sums do not depend on the threads.
 */
const SUBTREE_LEVELS = 6;

/** The level on which the subtrees begin whose sums are added up apart. */
export function subtreeLevel(tree: SpaceTree): number {
  return Math.min(SUBTREE_LEVELS, tree.depth);
}

/** Finds the leaves of a source that is read again in every pass; 2 bytes per sub-vector. */
export async function locateSource(
  source: SubvectorSource,
  tree: SpaceTree,
  pacer: Pacer,
): Promise<LocatedSubvectors> {
  const d = source.dimension;
  const leafOf = new Uint16Array(source.count);
  await forEachBlock(source, pacer, (chunk, from, to, offset) => {
    const rows = chunk.subarray(from * d, to * d);
    locateRows(tree, rows, leafOf, offset + from);
    growBoxes(tree, rows, leafOf, offset + from);
  });
  closeBoxes(tree);
  return { source, tree, leafOf };
}

/**
 * Finds the leaves of sub-vectors in memory and copies them in the order of their leaves. A pass
 * over the copy takes half the time: neighbours share their list of codewords, which then stays in
 * the cache, and the length of its loop is predicted.
 */
export async function locateArray(
  data: Float32Array,
  tree: SpaceTree,
  pacer: Pacer,
): Promise<LocatedSubvectors> {
  const { d, leaves } = tree;
  const source = flatSubvectors(data, d);
  const { count } = source;
  const found = new Uint16Array(count);
  await forEachBlock(source, pacer, (chunk, from, to) => {
    locateRows(tree, chunk.subarray(from * d, to * d), found, from);
  });
  const starts = new Int32Array(leaves + 1);
  for (let i = 0; i < count; i++) starts[found[i]! + 1]! += 1;
  for (let leaf = 0; leaf < leaves; leaf++) starts[leaf + 1]! += starts[leaf]!;
  const next = starts.slice();
  const order = new Uint32Array(count);
  const sorted = new Float32Array(data.length);
  for (let i = 0; i < count; i++) {
    const leaf = found[i]!;
    const place = next[leaf]!;
    next[leaf] = place + 1;
    order[place] = i;
    for (let a = 0; a < d; a++) sorted[place * d + a] = data[i * d + a]!;
  }
  const leafOf = new Uint16Array(count);
  for (let leaf = 0; leaf < leaves; leaf++) leafOf.fill(leaf, starts[leaf], starts[leaf + 1]);
  boundLeaves(tree, sorted, starts);
  closeBoxes(tree);
  return {
    source: subtreeSource(sorted, starts, tree),
    tree,
    leafOf,
    sorted: { values: sorted, order, starts },
  };
}

/** Sorted sub-vectors, one chunk for each subtree. */
function subtreeSource(values: Float32Array, starts: Int32Array, tree: SpaceTree): SubvectorSource {
  const { d, leaves } = tree;
  const subtrees = 2 ** subtreeLevel(tree);
  const perSubtree = leaves / subtrees;
  const chunks = Array.from({ length: subtrees }, (_, i) =>
    values.subarray(starts[i * perSubtree]! * d, starts[(i + 1) * perSubtree]! * d),
  );
  return { count: values.length / d, dimension: d, chunks: () => chunks };
}
