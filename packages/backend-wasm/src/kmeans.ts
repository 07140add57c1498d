import type { KMeansAccelerator, KMeansRows, KMeansSession, KMeansSums } from '@vq4dit/core';
import type { Engine } from './engine.ts';
import { chunksOf } from './kernels/chunks.ts';

/** What the scratch memory of a thread holds, see assembly/kmeans-step.ts. */
const MAX_CODEWORDS = 65536;
const MAX_DIMENSION = 4096;
/** Bytes of all subtrees' sums together. */
const MAX_PARTIALS = 2 ** 28;

/** The passes of k-means in WebAssembly; the numbers of core's host, bit for bit. */
export function createKMeans(engine: Engine): KMeansAccelerator {
  return {
    load(rows) {
      const reason = whyNot(rows, engine.capacity);
      return reason === undefined ? new Session(engine, rows) : { reason };
    },
  };
}

/** Sums [k, d], masses [k], error, number of changes. */
const widthOf = ({ k, d }: KMeansRows) => k * (d + 1) + 2;

function whyNot(rows: KMeansRows, capacity: number): string | undefined {
  const { values, d, k, tree, weights } = rows;
  if (k > MAX_CODEWORDS) return `${k} codewords are more than ${MAX_CODEWORDS}`;
  if (d > MAX_DIMENSION) return `sub-vectors of ${d} values are longer than ${MAX_DIMENSION}`;
  const partials = 8 * 2 ** rows.subtreeLevel * widthOf(rows);
  if (partials > MAX_PARTIALS) return `${k} codewords of ${d} values need too many partial sums`;
  const bytes =
    values.byteLength + (values.length / d) * (weights ? 10 : 2) + 2 * tree.low.byteLength;
  // The rest of the capacity is for tensors.
  if (bytes + partials > capacity / 2) return `${bytes} bytes of sub-vectors are too many`;
  return undefined;
}

class Session implements KMeansSession {
  readonly #engine: Engine;
  readonly #rows: KMeansRows;
  readonly #count: number;
  readonly #blocks: number[] = [];
  readonly #codebook: number;
  readonly #narrow: number;
  readonly #assignments: number;
  readonly #partials: number;
  readonly #totals: number;
  readonly #args: readonly number[];

  /** @throws OutOfDeviceMemoryError; then nothing stays allocated */
  constructor(engine: Engine, rows: KMeansRows) {
    this.#engine = engine;
    this.#rows = rows;
    const { values, d, k, tree, starts, subtreeLevel, weights } = rows;
    const count = values.length / d;
    this.#count = count;
    const width = widthOf(rows);
    try {
      const take = (bytes: number) => {
        const address = engine.allocate(bytes);
        this.#blocks.push(address);
        return address;
      };
      // A view is made after its block: growth of the memory leaves older ones behind.
      const x = take(values.byteLength);
      engine.float32(x, values.length).set(values);
      const rowStarts = take(starts.byteLength);
      engine.int32(rowStarts, starts.length).set(starts);
      const low = take(tree.low.byteLength);
      engine.float64(low, tree.low.length).set(tree.low);
      const high = take(tree.high.byteLength);
      engine.float64(high, tree.high.length).set(tree.high);
      const all = take(2 * k);
      engine.uint16(all, k).set(Uint16Array.from({ length: k }, (_, j) => j));
      const mass = weights ? take(weights.byteLength) : 0;
      if (weights) engine.float64(mass, count).set(weights);
      this.#assignments = take(2 * count);
      engine.uint16(this.#assignments, count).fill(0);
      this.#codebook = take(8 * k * d);
      this.#narrow = take(4 * k * d);
      this.#partials = take(8 * 2 ** subtreeLevel * width);
      this.#totals = take(8 * width);
      this.#args = [
        ...[x, rowStarts, low, high, this.#codebook, all, mass, this.#assignments],
        ...[this.#partials, k, d, tree.depth, subtreeLevel, this.#narrow],
      ];
    } catch (error) {
      this.dispose();
      throw error;
    }
  }

  assign(codebook: Float64Array): KMeansSums {
    const engine = this.#engine;
    const { k, d, subtreeLevel } = this.#rows;
    const width = widthOf(this.#rows);
    const subtrees = 2 ** subtreeLevel;
    engine.float64(this.#codebook, k * d).set(codebook);
    engine.float32(this.#narrow, k * d).set(codebook);
    engine.run('kmeansStep', this.#args, subtrees);
    const args = [this.#partials, subtrees, width, this.#totals];
    engine.run('kmeansTotal', args, chunksOf(width, 4096));
    const totals = engine.float64(this.#totals, width);
    return {
      sums: new Float64Array(totals.subarray(0, k * d)),
      masses: new Float64Array(totals.subarray(k * d, k * (d + 1))),
      error: totals[k * (d + 1)]!,
      changed: totals[k * (d + 1) + 1]!,
    };
  }

  assignments(): Uint16Array {
    this.#engine.check();
    // Copied through a constructor of this realm: a slice of shared memory would be shared.
    return new Uint16Array(this.#engine.uint16(this.#assignments, this.#count));
  }

  dispose(): void {
    for (const block of this.#blocks.splice(0)) this.#engine.free(block);
  }
}
