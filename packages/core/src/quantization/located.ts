import type { Pacer } from '../host/pacer.ts';
import { closeBoxes, growBoxes, locateRows, type SpaceTree } from '../host/space-tree.ts';
import { flatSubvectors, forEachBlock, type SubvectorSource } from './subvectors.ts';

/** Sub-vectors whose leaf in a space tree is known. */
export interface LocatedSubvectors {
  readonly source: SubvectorSource;
  readonly tree: SpaceTree;
  /** [N] the leaf of each sub-vector of `source` */
  readonly leafOf: Uint16Array;
  /** [N] the original position of each sub-vector of `source`; absent when it is the same */
  readonly order?: Uint32Array;
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
  const next = new Uint32Array(leaves + 1);
  for (let i = 0; i < count; i++) next[found[i]! + 1]! += 1;
  for (let leaf = 0; leaf < leaves; leaf++) next[leaf + 1]! += next[leaf]!;
  const order = new Uint32Array(count);
  for (let i = 0; i < count; i++) order[next[found[i]!]!++] = i;
  const sorted = new Float32Array(data.length);
  const leafOf = new Uint16Array(count);
  for (let i = 0; i < count; i++) {
    const from = order[i]! * d;
    leafOf[i] = found[order[i]!]!;
    for (let a = 0; a < d; a++) sorted[i * d + a] = data[from + a]!;
  }
  growBoxes(tree, sorted, leafOf, 0);
  closeBoxes(tree);
  return { source: flatSubvectors(sorted, d), tree, leafOf, order };
}
