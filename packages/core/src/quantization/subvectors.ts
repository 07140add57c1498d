import { ArgumentError, NonFiniteError, ShapeError } from '../errors.ts';
import type { Pacer } from '../host/pacer.ts';

/**
 * The sub-vectors of a weight matrix, in chunks: `chunks()` is called once for every pass and must
 * give the same values each time. A chunk is [M, dimension], flat; chunks may differ in length and
 * are not kept after the next one is asked for.
 */
export interface SubvectorSource {
  /** N, the number of sub-vectors */
  readonly count: number;
  /** d, the values of one sub-vector */
  readonly dimension: number;
  /** One pass over all N sub-vectors, in order. */
  chunks(): Iterable<Float32Array> | AsyncIterable<Float32Array>;
}

/**
 * A flat array [N * d] as a source of one chunk.
 *
 * @throws ArgumentError when d is not a positive integer; ShapeError when it does not divide the
 *   length
 */
export function flatSubvectors(data: Float32Array, dimension: number): SubvectorSource {
  if (!Number.isInteger(dimension) || dimension < 1) {
    throw new ArgumentError(`The sub-vector length must be a positive integer, not ${dimension}.`);
  }
  if (data.length % dimension !== 0) {
    throw new ShapeError(`Sub-vectors of ${dimension} values do not divide ${data.length} values.`);
  }
  return { count: data.length / dimension, dimension, chunks: () => [data] };
}

/** Rows between two looks at the clock. */
export const BLOCK_ROWS = 16384;

/**
 * Goes through a source in blocks of at most `BLOCK_ROWS` rows: rows `from .. to - 1` of `chunk`
 * are sub-vectors `offset + from ..` of the source.
 *
 * @throws ShapeError when the chunks do not add up to what the source promises
 */
export async function forEachBlock(
  source: SubvectorSource,
  pacer: Pacer,
  visit: (chunk: Float32Array, from: number, to: number, offset: number) => void,
): Promise<void> {
  const { count, dimension } = source;
  let offset = 0;
  for await (const chunk of source.chunks()) {
    const rows = chunk.length / dimension;
    if (!Number.isInteger(rows) || offset + rows > count) {
      throw new ShapeError(
        `A chunk of ${chunk.length} values at sub-vector ${offset} does not fit a source of ${count} sub-vectors of ${dimension}.`,
      );
    }
    for (let from = 0; from < rows; from += BLOCK_ROWS) {
      visit(chunk, from, Math.min(rows, from + BLOCK_ROWS), offset);
      if (pacer.due()) await pacer.pause();
    }
    offset += rows;
  }
  if (offset !== count) {
    throw new ShapeError(
      `The chunks held ${offset} sub-vectors, but the source promised ${count}.`,
    );
  }
}

/**
 * One pass that checks every value and picks the sub-vectors at `positions` (ascending).
 *
 * @throws NonFiniteError for the first NaN or infinity, with its sub-vector and element
 */
export async function readSample(
  source: SubvectorSource,
  positions: Uint32Array,
  pacer: Pacer,
): Promise<Float32Array> {
  const d = source.dimension;
  const sample = new Float32Array(positions.length * d);
  let next = 0;
  await forEachBlock(source, pacer, (chunk, from, to, offset) => {
    for (let i = from * d; i < to * d; i++) {
      // x - x is 0 for every finite x and NaN for the others.
      if (chunk[i]! - chunk[i]! !== 0) {
        const row = offset + Math.floor(i / d);
        throw new NonFiniteError(
          `Sub-vector ${row} has ${chunk[i]} at element ${i % d} (value ${row * d + (i % d)} of the weights); only finite weights can be quantized.`,
        );
      }
    }
    while (next < positions.length && positions[next]! < offset + to) {
      const at = (positions[next]! - offset) * d;
      for (let a = 0; a < d; a++) sample[next * d + a] = chunk[at + a]!;
      next++;
    }
  });
  return sample;
}
