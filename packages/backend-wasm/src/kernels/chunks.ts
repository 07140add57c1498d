/**
 * How work is cut into chunks: by its shape alone, so that results do not depend on the number of
 * threads. A chunk of elementwise work is long enough to be worth a thread's attention and short
 * enough that its data stay in a core's cache.
 */
export const CHUNK_ELEMENTS = 32768;

/** How many chunks of `perChunk` things there are. */
export function chunksOf(count: number, perChunk: number): number {
  return Math.ceil(count / perChunk);
}

/** Rows of one length, of which several make a chunk or each makes several. */
export interface RowChunks {
  readonly rowsPerChunk: number;
  /** Pieces of a row, if it is longer than a chunk; else 1. */
  readonly pieces: number;
  readonly pieceLength: number;
  readonly chunks: number;
}

/** Cuts `rows` rows of `length` elements. */
export function cutRows(rows: number, length: number, perChunk = CHUNK_ELEMENTS): RowChunks {
  const pieces = chunksOf(length, perChunk);
  // Equal pieces, in whole cache lines.
  const pieceLength = pieces === 1 ? length : 16 * Math.ceil(length / pieces / 16);
  const rowsPerChunk = pieces === 1 ? Math.max(1, Math.floor(perChunk / length)) : 1;
  return {
    rowsPerChunk,
    pieces: chunksOf(length, pieceLength),
    pieceLength,
    chunks: chunksOf(rows, rowsPerChunk) * chunksOf(length, pieceLength),
  };
}
