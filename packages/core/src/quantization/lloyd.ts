import type { AssignmentArray } from '../host/assign.ts';
import { squaredDistance } from '../host/nearest.ts';
import type { Pacer } from '../host/pacer.ts';
import { type Acceleration, openPass } from './assign-pass.ts';
import type { LocatedSubvectors } from './located.ts';
import { forEachBlock } from './subvectors.ts';

/** What one iteration of k-means reports. */
export interface KMeansProgress {
  /** Updates of the codebook so far; 0 after the first assignment. */
  readonly iteration: number;
  /** Mean squared error per weight of the codebook that the assignments belong to. */
  readonly distortion: number;
  /** Sub-vectors whose nearest codeword has changed; all of them at first. */
  readonly changed: number;
}

export interface LloydOptions {
  readonly maxIterations: number;
  readonly tolerance: number;
  /** [N] in the order of the source */
  readonly weights: Float64Array | undefined;
  readonly onProgress: ((progress: KMeansProgress) => void) | undefined;
  /** Who assigns, where the host need not. */
  readonly acceleration: Acceleration | undefined;
}

export interface LloydResult extends Omit<KMeansProgress, 'iteration' | 'changed'> {
  /** [k, d] */
  readonly codebook: Float32Array;
  /** [N] in the order of the source */
  readonly assignments: AssignmentArray;
  readonly iterations: number;
  readonly converged: boolean;
}

/**
 * Lloyd's algorithm: assign every sub-vector to its nearest codeword, move every codeword to the
 * weighted mean of its sub-vectors, and again. The result always ends with an assignment, so
 * assignments and distortion belong to the codebook that is returned.
 *
 * Codewords are rounded to float32 at each update; sums and distances are float64. A codeword that
 * got no sub-vector (or only such of weight zero) becomes the sub-vector with the largest weighted
 * error, the next one that with the second largest different one, and so on; so the distortion
 * never rises.
 */
export async function lloyd(
  located: LocatedSubvectors,
  initial: Float32Array,
  options: LloydOptions,
  pacer: Pacer,
): Promise<LloydResult> {
  const { source } = located;
  const { count, dimension: d } = source;
  const k = initial.length / d;
  const { weights, tolerance, maxIterations } = options;
  const codebook = Float64Array.from(initial);
  const pass = openPass(located, k, weights, pacer, options.acceleration);
  try {
    let previous = Number.POSITIVE_INFINITY;
    for (let iteration = 0; ; iteration++) {
      pacer.check();
      const { sums, masses, error, changed: different } = await pass.run(codebook);
      const changed = iteration === 0 ? count : different;
      const mass = weights === undefined ? count : masses.reduce((total, m) => total + m, 0);
      const distortion = error / (mass * d);
      options.onProgress?.({ iteration, distortion, changed });
      const empty = emptyCodewords(masses);
      const stable = changed === 0 || error === 0;
      const settled = empty.length === 0 && previous - error < tolerance * previous;
      if (stable || settled || iteration >= maxIterations) {
        return {
          codebook: Float32Array.from(codebook),
          assignments: pass.assignments(),
          distortion,
          iterations: iteration,
          converged: stable || settled,
        };
      }
      previous = error;
      const found =
        empty.length === 0
          ? []
          : await farthestRows(empty.length, source, codebook, pass.assignments(), weights, pacer);
      for (let j = 0; j < k; j++) {
        if (masses[j]! === 0) continue;
        for (let a = 0; a < d; a++) {
          codebook[j * d + a] = Math.fround(sums[j * d + a]! / masses[j]!);
        }
      }
      found.forEach((row, i) => {
        codebook.set(row.values, empty[i]! * d);
      });
    }
  } finally {
    pass.dispose();
  }
}

function emptyCodewords(masses: Float64Array): number[] {
  const empty: number[] = [];
  for (let j = 0; j < masses.length; j++) if (masses[j]! === 0) empty.push(j);
  return empty;
}

interface FarRow {
  readonly error: number;
  readonly values: Float32Array;
}

/** The `wanted` different sub-vectors of the largest weighted error, largest first, none of 0. */
async function farthestRows(
  wanted: number,
  source: LocatedSubvectors['source'],
  codebook: Float64Array,
  assignments: AssignmentArray,
  weights: Float64Array | undefined,
  pacer: Pacer,
): Promise<FarRow[]> {
  const d = source.dimension;
  const found: FarRow[] = [];
  await forEachBlock(source, pacer, (x, from, to, offset) => {
    for (let i = from; i < to; i++) {
      const j = assignments[offset + i]!;
      const weight = weights === undefined ? 1 : weights[offset + i]!;
      const error = weight * squaredDistance(x, i * d, codebook, j * d, d);
      const least = found.length < wanted ? 0 : found[wanted - 1]!.error;
      if (!(error > least)) continue;
      const values = x.slice(i * d, (i + 1) * d);
      if (found.some((row) => row.values.every((value, a) => value === values[a]))) continue;
      let at = found.length;
      while (at > 0 && found[at - 1]!.error < error) at--;
      found.splice(at, 0, { error, values });
      if (found.length > wanted) found.pop();
    }
  });
  return found;
}
