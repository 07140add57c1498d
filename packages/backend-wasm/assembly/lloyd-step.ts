import { TILE } from './block-minima';
import { listedCodewords, nearestRows } from './nearest-rows';
import { clearPartial } from './partial-sums';

/**
 * Assigns every row to its nearest codeword and adds it to that codeword's sum, in one pass. Each
 * chunk's partial sums are those of k codewords, [k, d], and then their numbers of rows, [k].
 *
 * Arguments: x [rows, d], codebook [k, d], the prepared codebook or 0, indices int32 [rows], partial
 * sums float64 [chunks, k (d + 1)], rows, k, d, rows per chunk.
 */
export function lloydStep(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args);
  const codebook = load<usize>(args, 4);
  const prepared = load<usize>(args, 8);
  const indices = load<usize>(args, 12);
  const partials = load<usize>(args, 16);
  const rows = load<i32>(args, 20);
  const k = load<i32>(args, 24);
  const d = load<i32>(args, 28);
  const perChunk = load<i32>(args, 32);
  const bytes = <usize>d << 2;
  for (let chunk = begin; chunk < end; chunk++) {
    const sums = clearPartial(partials, chunk, k * (d + 1));
    const counts = sums + (<usize>(k * d) << 3);
    const stop = min((chunk + 1) * perChunk, rows);
    for (let row = chunk * perChunk; row < stop; row += TILE) {
      const count = min(TILE, stop - row);
      nearestRows(x + <usize>row * bytes, count, codebook, prepared, k, d, 1);
      memory.copy(indices + (<usize>row << 2), listedCodewords(1), <usize>count << 2);
      for (let i = row; i < row + count; i++) {
        const codeword = <usize>load<i32>(indices + (<usize>i << 2));
        addRow(x + <usize>i * bytes, d, sums + ((codeword * bytes) << 1));
        const number = counts + (codeword << 3);
        store<f64>(number, load<f64>(number) + 1);
      }
    }
  }
}

// @ts-ignore: decorator
@inline
function addRow(x: usize, d: i32, sum: usize): void {
  if (d == 4) {
    const low = f64x2.promote_low_f32x4(v128.load64_zero(x));
    const high = f64x2.promote_low_f32x4(v128.load64_zero(x, 8));
    v128.store(sum, f64x2.add(v128.load(sum), low));
    v128.store(sum, f64x2.add(v128.load(sum, 16), high), 16);
    return;
  }
  for (const stop = x + (<usize>d << 2); x < stop; x += 4, sum += 8) {
    store<f64>(sum, load<f64>(sum) + <f64>load<f32>(x));
  }
}
