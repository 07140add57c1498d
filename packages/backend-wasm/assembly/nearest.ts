import { TILE } from './block-minima';
import { listedCodewords, listedDistances, nearestRows } from './nearest-rows';

/** Rows of one chunk. */
const CHUNK_ROWS: i32 = 512;

/**
 * The n nearest codewords of every row and their squared distances; see nearest-rows.ts.
 *
 * Arguments: x [rows, d], codebook [k, d], the prepared codebook or 0, indices int32 [rows, n],
 * distances [rows, n], rows, k, d, n. Chunks: ceil(rows / 512).
 */
export function nearest(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args);
  const codebook = load<usize>(args, 4);
  const prepared = load<usize>(args, 8);
  const indices = load<usize>(args, 12);
  const distances = load<usize>(args, 16);
  const rows = load<i32>(args, 20);
  const k = load<i32>(args, 24);
  const d = load<i32>(args, 28);
  const n = load<i32>(args, 32);
  const stop = min(end * CHUNK_ROWS, rows);
  for (let row = begin * CHUNK_ROWS; row < stop; row += TILE) {
    const count = min(TILE, stop - row);
    nearestRows(x + <usize>row * (<usize>d << 2), count, codebook, prepared, k, d, n);
    const first = <usize>row * <usize>n;
    memory.copy(indices + (first << 2), listedCodewords(n), <usize>(count * n) << 2);
    const found = listedDistances();
    for (let i: usize = 0; i < <usize>(count * n); i++) {
      store<f32>(distances + ((first + i) << 2), <f32>load<f64>(found + (i << 3)));
    }
  }
}
