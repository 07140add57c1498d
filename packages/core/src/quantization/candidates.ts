import { ArgumentError, NonFiniteError, ShapeError } from '../errors.ts';
import { type AssignmentArray, assignManyRows } from '../host/assign.ts';
import { listCodewords } from '../host/codeword-lists.ts';
import { Pacer } from '../host/pacer.ts';
import { buildSpaceTree, spaceTreeDepth } from '../host/space-tree.ts';
import { locateSource } from './located.ts';
import { flatSubvectors, forEachBlock, readSample, type SubvectorSource } from './subvectors.ts';

/** The candidate assignments of every sub-vector (equation 5 of the VQ4DiT paper). */
export interface CandidateSets {
  readonly n: number;
  /** [N * n] different codewords, nearest first; 16 bits as long as k allows it */
  readonly indices: AssignmentArray;
  /** [N * n] squared Euclidean distances, ascending for each sub-vector */
  readonly distances: Float32Array;
}

/** What {@link candidateSets} works on. */
export interface CandidateOptions {
  /** A source of sub-vectors, or a flat array [N * dimension]. */
  readonly data: Float32Array | SubvectorSource;
  /** d */
  readonly dimension: number;
  /** [k * d] */
  readonly codebook: Float32Array;
  /** Candidates of each sub-vector, 1 to 4 and at most k. */
  readonly n: number;
  readonly signal?: AbortSignal;
}

/** Most candidates of a sub-vector. */
export const MAX_CANDIDATES = 4;

/** Evenly spaced sub-vectors that decide where the search tree cuts. */
const TREE_SAMPLE = 65536;

/**
 * Finds the `n` nearest codewords of every sub-vector, exactly: distances in float64, ties to the
 * lowest index. So the first candidate is the assignment that `kmeans` gives for the same codebook.
 *
 * @throws ArgumentError when n is not 1 to 4 or is more than k; ShapeError for lengths that do not
 *   fit; NonFiniteError for NaN or infinity; InterruptedError when the signal is aborted
 */
export async function candidateSets(options: CandidateOptions): Promise<CandidateSets> {
  const { data, dimension: d, codebook, n } = options;
  const source = data instanceof Float32Array ? flatSubvectors(data, d) : data;
  if (source.dimension !== d || codebook.length % d !== 0) {
    throw new ShapeError(
      `Sub-vectors of ${source.dimension} and a codebook of ${codebook.length} values do not fit d = ${d}.`,
    );
  }
  const k = codebook.length / d;
  if (!Number.isInteger(n) || n < 1 || n > MAX_CANDIDATES) {
    throw new ArgumentError(`The number of candidates must be 1 to ${MAX_CANDIDATES}, not ${n}.`);
  }
  if (n > k) {
    throw new ArgumentError(`${n} candidates cannot be taken from a codebook of ${k} codewords.`);
  }
  const bad = codebook.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new NonFiniteError(
      `Codeword ${Math.floor(bad / d)} has ${codebook[bad]} at element ${bad % d}; it must be finite.`,
    );
  }
  const pacer = new Pacer('The search for candidates', options.signal);
  pacer.check();
  const { count } = source;
  const sampled = Math.min(count, TREE_SAMPLE);
  const positions = Uint32Array.from({ length: sampled }, (_, i) =>
    Math.floor((i * count) / sampled),
  );
  const sample = await readSample(source, positions, pacer);
  const tree = buildSpaceTree(sample, d, spaceTreeDepth(count, sampled));
  const { leafOf } = await locateSource(source, tree, pacer);
  const exact = Float64Array.from(codebook);
  const lists = listCodewords(tree, exact, n);
  const indices = k <= 65536 ? new Uint16Array(count * n) : new Int32Array(count * n);
  const distances = new Float32Array(count * n);
  await forEachBlock(source, pacer, (x, from, to, offset) => {
    assignManyRows(x, d, from, to, exact, lists, leafOf, offset, n, indices, distances);
  });
  return { n, indices, distances };
}
