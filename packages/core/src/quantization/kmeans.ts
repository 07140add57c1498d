import { ArgumentError, NonFiniteError, ShapeError } from '../errors.ts';
import type { AssignmentArray } from '../host/assign.ts';
import type { KMeansAccelerator } from '../host/kmeans-accelerator.ts';
import { Pacer } from '../host/pacer.ts';
import { buildSpaceTree, spaceTreeDepth, upperSpaceTree } from '../host/space-tree.ts';
import { RandomStream } from '../random/random.ts';
import { type KMeansProgress, lloyd } from './lloyd.ts';
import { type LocatedSubvectors, locateArray, locateSource } from './located.ts';
import { seedCodebook } from './seeding.ts';
import { flatSubvectors, readSample, type SubvectorSource } from './subvectors.ts';

/** What k-means works on and how long. */
export interface KMeansOptions {
  /** A source of sub-vectors, or a flat array [N * dimension]. */
  readonly data: Float32Array | SubvectorSource;
  /** d; needed with a flat array. */
  readonly dimension?: number;
  /** Codewords of the codebook, 1 to N. */
  readonly k: number;
  /** A seed or a stream of its own; the same one gives the same codebook. Default 0. */
  readonly random?: RandomStream | number | bigint;
  /** [N] weights of the sub-vectors' squared errors: finite, not negative, not all zero. */
  readonly weights?: Float32Array | Float64Array;
  /** [k * d] where to start, instead of k-means++. */
  readonly codebook?: Float32Array;
  /** Most updates of the codebook over all sub-vectors. Default 100. */
  readonly maxIterations?: number;
  /**
   * Stops when the distortion falls by less than this part of itself. Default 1e-4: on 1.3 million
   * Gaussian sub-vectors (d = 4, k = 256) 49 updates, 0.3 % above what 100 reach; 1e-3 takes 7 and
   * ends 1.4 % above.
   */
  readonly tolerance?: number;
  /**
   * Sub-vectors that k-means++ looks at, and with it the first iterations. Default
   * max(65536, 64 k); N or more means all. Distortions were not worse than from all (see the tests).
   */
  readonly sampleSize?: number;
  /**
   * Who assigns sub-vectors faster than the host, as `Backend.kmeans` does. The result is the
   * same, bit for bit. Default: the host.
   */
  readonly accelerator?: KMeansAccelerator;
  /** Called with the reason where the accelerator leaves the work to the host. */
  readonly onDeclined?: (reason: string) => void;
  readonly signal?: AbortSignal;
  /** Called after every assignment of all sub-vectors, before the first update too. */
  readonly onProgress?: (progress: KMeansProgress) => void;
}

/** A codebook and the nearest codeword of each sub-vector in it. */
export interface KMeansResult {
  /** [k * d] */
  readonly codebook: Float32Array;
  /** [N]; 16 bits as long as k allows it */
  readonly assignments: AssignmentArray;
  /** Mean squared error per weight of the matrix, by weight of the sub-vectors. */
  readonly distortion: number;
  /** Updates of the codebook over all sub-vectors. */
  readonly iterations: number;
  /** Whether assignments or distortion settled before `maxIterations`. */
  readonly converged: boolean;
}

/** Iterations on the sample are cheap, but lead ever less far on the whole. */
const SAMPLE_ITERATIONS = 30;

/**
 * k-means: finds a codebook of small distortion for sub-vectors.
 *
 * A sample is seeded by k-means++ and improved by Lloyd iterations on the sample; then Lloyd's
 * algorithm runs on all sub-vectors until it settles. The assignments are exact: the nearest
 * codeword in float64, ties to the lowest index. Between iterations, and a few times a second within
 * one, it gives way to the event loop and looks at the signal.
 *
 * Memory beside the data: about 4 d + 8 bytes per sub-vector for a flat array, which is copied in a
 * faster order, and 4 bytes per sub-vector for a source.
 *
 * @throws ArgumentError for an option out of range; ShapeError for lengths that do not fit;
 *   NonFiniteError for NaN or infinity in data, weights or codebook; InterruptedError when the
 *   signal is aborted
 */
export async function kmeans(options: KMeansOptions): Promise<KMeansResult> {
  const source = toSource(options);
  const { count, dimension: d } = source;
  const { k, maxIterations = 100, tolerance = 1e-4 } = options;
  if (!Number.isInteger(k) || k < 1) {
    throw new ArgumentError(`The number of codewords must be a positive integer, not ${k}.`);
  }
  if (k > count) {
    throw new ArgumentError(
      `${k} codewords are more than the ${count} sub-vectors of ${d}; clampCodewords() gives a number that fits.`,
    );
  }
  if (!Number.isInteger(maxIterations) || maxIterations < 0) {
    throw new ArgumentError(`maxIterations must be a non-negative integer, not ${maxIterations}.`);
  }
  if (!(tolerance >= 0)) {
    throw new ArgumentError(`The tolerance must be a number of at least 0, not ${tolerance}.`);
  }
  const { sampleSize = Math.max(65536, 64 * k) } = options;
  if (!Number.isInteger(sampleSize) || sampleSize < k) {
    throw new ArgumentError(
      `The sample must be an integer of at least k = ${k}, not ${sampleSize}.`,
    );
  }
  const weights = checkWeights(options.weights, count);
  if (options.codebook !== undefined) checkCodebook(options.codebook, k, d);
  const random =
    options.random instanceof RandomStream ? options.random : new RandomStream(options.random ?? 0);
  const pacer = new Pacer('The k-means run', options.signal);
  pacer.check();
  const acceleration = options.accelerator && {
    ...{ accelerator: options.accelerator, onDeclined: options.onDeclined },
  };

  const positions = samplePositions(count, sampleSize, weights, random.derive('sample'));
  const sample = await readSample(source, positions, pacer);
  const tree = buildSpaceTree(sample, d, spaceTreeDepth(count, positions.length));
  let codebook = options.codebook;
  if (codebook === undefined) {
    const sampled = weights && Float64Array.from(positions, (row) => weights[row]!);
    const seeds = random.derive('seeds');
    codebook = await seedCodebook(sample, d, k, sampled, seeds, pacer);
    if (positions.length < count && maxIterations > 0) {
      const depth = Math.min(tree.depth, spaceTreeDepth(positions.length, positions.length));
      const located = await locateArray(sample, upperSpaceTree(tree, depth), pacer);
      const result = await lloyd(
        located,
        codebook,
        {
          ...{ maxIterations: SAMPLE_ITERATIONS, tolerance, onProgress: undefined, acceleration },
          weights: reorder(sampled, located),
        },
        pacer,
      );
      codebook = result.codebook;
    }
  }
  const located =
    options.data instanceof Float32Array
      ? await locateArray(options.data, tree, pacer)
      : await locateSource(source, tree, pacer);
  const { onProgress } = options;
  const limits = { maxIterations, tolerance, onProgress, acceleration };
  const inOrder = reorder(weights, located);
  const result = await lloyd(located, codebook, { ...limits, weights: inOrder }, pacer);
  return { ...result, assignments: originalOrder(result.assignments, located) };
}

/**
 * The number of codewords that a layer of few sub-vectors gets: `k`, but at most the largest power
 * of two that is not above a quarter of the sub-vectors, and at least 1.
 *
 * @throws ArgumentError when an argument is not a positive integer
 */
export function clampCodewords(k: number, subvectors: number): number {
  for (const value of [k, subvectors]) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new ArgumentError(`Codewords and sub-vectors must be positive integers, not ${value}.`);
    }
  }
  let bound = 1;
  while (bound * 8 <= subvectors) bound *= 2;
  return Math.min(k, bound);
}

function toSource({ data, dimension }: KMeansOptions): SubvectorSource {
  if (data instanceof Float32Array) {
    if (dimension === undefined) throw new ArgumentError('A flat array needs its dimension d.');
    return flatSubvectors(data, dimension);
  }
  if (dimension !== undefined && dimension !== data.dimension) {
    throw new ArgumentError(`The source has sub-vectors of ${data.dimension}, not ${dimension}.`);
  }
  return data;
}

/** Copies the weights to float64 and makes sure that they weigh something. */
function checkWeights(
  weights: Float32Array | Float64Array | undefined,
  count: number,
): Float64Array | undefined {
  if (weights === undefined) return undefined;
  if (weights.length !== count) {
    throw new ShapeError(`${count} sub-vectors need as many weights, not ${weights.length}.`);
  }
  let total = 0;
  for (let i = 0; i < count; i++) {
    const weight = weights[i]!;
    if (!Number.isFinite(weight)) {
      throw new NonFiniteError(`The weight of sub-vector ${i} is ${weight}; it must be finite.`);
    }
    if (weight < 0)
      throw new ArgumentError(`The weight of sub-vector ${i} is negative: ${weight}.`);
    total += weight;
  }
  if (!(total > 0)) throw new ArgumentError('At least one sub-vector must have a positive weight.');
  return Float64Array.from(weights);
}

function checkCodebook(codebook: Float32Array, k: number, d: number): void {
  if (codebook.length !== k * d) {
    throw new ShapeError(
      `A codebook of ${k} codewords of ${d} has ${k * d} values, not ${codebook.length}.`,
    );
  }
  for (let i = 0; i < codebook.length; i++) {
    if (!Number.isFinite(codebook[i]!)) {
      throw new NonFiniteError(
        `Codeword ${Math.floor(i / d)} has ${codebook[i]} at element ${i % d}; it must be finite.`,
      );
    }
  }
}

/** Ascending positions of the sample; all when it would be everything. */
function samplePositions(
  count: number,
  size: number,
  weights: Float64Array | undefined,
  random: RandomStream,
): Uint32Array {
  if (size >= count) return Uint32Array.from({ length: count }, (_, i) => i);
  const positions = random.sampleWithoutReplacement(count, size).sort();
  if (weights === undefined || positions.some((row) => weights[row]! > 0)) return positions;
  // Nearly all weights are zero and the sample missed the others: put one of them in.
  const heavy = weights.findIndex((weight) => weight > 0);
  positions[0] = heavy;
  return positions.sort();
}

function reorder(
  weights: Float64Array | undefined,
  { sorted }: LocatedSubvectors,
): Float64Array | undefined {
  if (weights === undefined || sorted === undefined) return weights;
  return Float64Array.from(sorted.order, (row) => weights[row]!);
}

function originalOrder(
  assignments: AssignmentArray,
  { sorted }: LocatedSubvectors,
): AssignmentArray {
  if (sorted === undefined) return assignments;
  const { order } = sorted;
  const original = assignments.slice();
  for (let i = 0; i < order.length; i++) original[order[i]!] = assignments[i]!;
  return original;
}
