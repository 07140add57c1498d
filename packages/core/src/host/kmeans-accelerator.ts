import type { SpaceTree } from './space-tree.ts';

/** Sub-vectors for k-means, in the order of the leaves of a tree that cuts their space. */
export interface KMeansRows {
  /** [N, d], finite */
  readonly values: Float32Array;
  readonly d: number;
  /** Codewords of every codebook to come. */
  readonly k: number;
  /** With the boxes of the rows. */
  readonly tree: SpaceTree;
  /** [leaves + 1] the first row of each leaf, and N */
  readonly starts: Int32Array;
  /** The level of the tree on which the subtrees begin whose sums are added up apart. */
  readonly subtreeLevel: number;
  /** [N] weights of the rows' squared errors; all 1 when absent */
  readonly weights?: Float64Array | undefined;
}

/** What one assignment of all rows gives. */
export interface KMeansSums {
  /** [k, d] weighted sums of each codeword's rows */
  readonly sums: Float64Array;
  /** [k] weight of each codeword's rows */
  readonly masses: Float64Array;
  /** Weighted sum of squared errors. */
  readonly error: number;
  /** Rows whose codeword is another one than at the call before; at first, than codeword 0. */
  readonly changed: number;
}

/** Rows on a device, to be assigned again and again. */
export interface KMeansSession {
  /** Assigns all rows to the nearest of a codebook [k, d] of float32 numbers. */
  assign(codebook: Float64Array): KMeansSums;
  /** [N] the codewords of the last call, a copy. */
  assignments(): Uint16Array;
  /** Gives back what the rows take. */
  dispose(): void;
}

/**
 * Assigns sub-vectors to codewords faster than the host does; a backend may offer it. It must give
 * the host's numbers, bit for bit:
 *
 * - the nearest codeword by (...((x_0 - c_0)^2 + (x_1 - c_1)^2) + ...) in float64, ties to the lowest
 *   index;
 * - sums, masses and errors in float64, row after row within a subtree, from 0; then the subtrees'
 *   results in their order, from 0.
 *
 * Hence k-means gives the same bits on every backend and for any number of threads.
 */
export interface KMeansAccelerator {
  /** Copies rows to the device, or gives a reason for people why it does not take them. */
  load(rows: KMeansRows): KMeansSession | { readonly reason: string };
}
