import { type AssignmentArray, assignRows } from '../host/assign.ts';
import { listCodewords } from '../host/codeword-lists.ts';
import type { KMeansAccelerator, KMeansSession, KMeansSums } from '../host/kmeans-accelerator.ts';
import type { Pacer } from '../host/pacer.ts';
import { type LocatedSubvectors, subtreeLevel } from './located.ts';
import { BLOCK_ROWS, forEachBlock } from './subvectors.ts';

/** Assigns all sub-vectors to the nearest of a codebook, again and again. */
export interface AssignPass {
  /** @param codebook [k, d], float32 numbers */
  run(codebook: Float64Array): Promise<KMeansSums>;
  /** [N] of the last run, in the order of the source */
  assignments(): AssignmentArray;
  /** Gives back what the pass holds on a device. */
  dispose(): void;
}

/** Who makes the passes of k-means where the host need not. */
export interface Acceleration {
  readonly accelerator: KMeansAccelerator;
  /** Called with the reason where the accelerator does not take the sub-vectors. */
  readonly onDeclined?: ((reason: string) => void) | undefined;
}

/** Passes on a device where one takes the sub-vectors, on the host elsewhere; the same numbers. */
export function openPass(
  located: LocatedSubvectors,
  k: number,
  weights: Float64Array | undefined,
  pacer: Pacer,
  acceleration: Acceleration | undefined,
): AssignPass {
  if (acceleration !== undefined) {
    const { sorted, tree } = located;
    const { accelerator, onDeclined } = acceleration;
    if (sorted === undefined) {
      onDeclined?.('the sub-vectors are streamed, and are not in memory at once');
    } else {
      const { values, starts } = sorted;
      const rows = {
        values,
        d: tree.d,
        k,
        tree,
        starts,
        subtreeLevel: subtreeLevel(tree),
        weights,
      };
      const session = accelerator.load(rows);
      if (!('reason' in session)) return new DevicePass(session, pacer);
      onDeclined?.(session.reason);
    }
  }
  return new HostPass(located, k, weights, pacer);
}

class DevicePass implements AssignPass {
  readonly #session: KMeansSession;
  readonly #pacer: Pacer;

  constructor(session: KMeansSession, pacer: Pacer) {
    this.#session = session;
    this.#pacer = pacer;
  }

  async run(codebook: Float64Array): Promise<KMeansSums> {
    if (this.#pacer.due()) await this.#pacer.pause();
    return this.#session.assign(codebook);
  }

  assignments(): AssignmentArray {
    return this.#session.assignments();
  }

  dispose(): void {
    this.#session.dispose();
  }
}

/** The definition: what every accelerator must give, bit for bit. */
class HostPass implements AssignPass {
  readonly #located: LocatedSubvectors;
  readonly #k: number;
  readonly #weights: Float64Array | undefined;
  readonly #pacer: Pacer;
  readonly #assignments: AssignmentArray;
  readonly #distances: Float64Array;

  constructor(
    located: LocatedSubvectors,
    k: number,
    weights: Float64Array | undefined,
    pacer: Pacer,
  ) {
    const { count } = located.source;
    this.#located = located;
    this.#k = k;
    this.#weights = weights;
    this.#pacer = pacer;
    this.#assignments = k <= 65536 ? new Uint16Array(count) : new Int32Array(count);
    this.#distances = new Float64Array(Math.min(count, BLOCK_ROWS));
  }

  async run(codebook: Float64Array): Promise<KMeansSums> {
    const { source, tree, leafOf, sorted } = this.#located;
    const d = source.dimension;
    const k = this.#k;
    const lists = listCodewords(tree, codebook, 1);
    const assignments = this.#assignments;
    const distances = this.#distances;
    const total = new Partial(k, d);
    let partial = new Partial(k, d);
    let changed = 0;
    let subtree = 0;
    await forEachBlock(source, this.#pacer, (x, from, to, offset) => {
      // Sorted sub-vectors come one subtree a chunk, and a subtree's sums begin at 0.
      if (sorted !== undefined && offset !== subtree) {
        total.add(partial);
        partial = new Partial(k, d);
        subtree = offset;
      }
      changed += assignRows(
        ...([x, d, from, to, codebook, lists, leafOf, offset, assignments, distances] as const),
      );
      partial.addRows(x, from, to, assignments, offset, distances, this.#weights);
    });
    total.add(partial);
    return { sums: total.sums, masses: total.masses, error: total.error, changed };
  }

  assignments(): AssignmentArray {
    return this.#assignments;
  }

  dispose(): void {}
}

/** Sums over some of the rows. */
class Partial {
  /** [k, d] */
  readonly sums: Float64Array;
  /** [k] */
  readonly masses: Float64Array;
  error = 0;
  readonly #d: number;

  constructor(k: number, d: number) {
    this.sums = new Float64Array(k * d);
    this.masses = new Float64Array(k);
    this.#d = d;
  }

  add({ sums, masses, error }: Partial): void {
    for (let i = 0; i < sums.length; i++) this.sums[i]! += sums[i]!;
    for (let j = 0; j < masses.length; j++) this.masses[j]! += masses[j]!;
    this.error += error;
  }

  addRows(
    x: Float32Array,
    from: number,
    to: number,
    assignments: AssignmentArray,
    offset: number,
    distances: Float64Array,
    weights: Float64Array | undefined,
  ): void {
    const { sums, masses } = this;
    const d = this.#d;
    let { error } = this;
    if (d === 4 && weights === undefined) {
      for (let i = from; i < to; i++) {
        const j = assignments[offset + i]!;
        masses[j]! += 1;
        sums[4 * j]! += x[4 * i]!;
        sums[4 * j + 1]! += x[4 * i + 1]!;
        sums[4 * j + 2]! += x[4 * i + 2]!;
        sums[4 * j + 3]! += x[4 * i + 3]!;
        error += distances[i - from]!;
      }
    } else {
      for (let i = from; i < to; i++) {
        const j = assignments[offset + i]!;
        const weight = weights === undefined ? 1 : weights[offset + i]!;
        masses[j]! += weight;
        for (let a = 0; a < d; a++) sums[j * d + a]! += weight * x[i * d + a]!;
        error += weight * distances[i - from]!;
      }
    }
    this.error = error;
  }
}
