import type { Engine } from '../engine.ts';
import { chunksOf } from './chunks.ts';

/** Fewest rows of a chunk, and most sums of all chunks together: 128 MiB. */
const MIN_ROWS = 2048;
const MAX_SUMS = 2 ** 24;
/** Enough to share out evenly among many threads. */
const MAX_CHUNKS = 64;

/** Cuts `rows` rows into chunks, by shape alone, each of which adds to `width` sums of its own. */
export function cutPartials(
  rows: number,
  width: number,
): { readonly chunks: number; readonly perChunk: number } {
  const most = Math.min(MAX_CHUNKS, Math.max(1, Math.floor(MAX_SUMS / width)));
  // Whole tiles of 8 rows.
  const perChunk = Math.max(MIN_ROWS, 8 * Math.ceil(rows / most / 8));
  return { chunks: chunksOf(rows, perChunk), perChunk };
}

/**
 * Runs `body` with room for float64 sums [chunks, width]. `add` writes the totals of columns
 * `first .. first + count - 1` to `out` as float32.
 */
export function withPartials(
  engine: Engine,
  chunks: number,
  width: number,
  body: (partials: number, add: (first: number, count: number, out: number) => void) => void,
): void {
  engine.withTemporary(8 * chunks * width, (partials) => {
    body(partials, (first, count, out) => {
      const args = [partials, chunks, width, first, count, out];
      engine.run('addPartials', args, chunksOf(count, 4096));
    });
  });
}
