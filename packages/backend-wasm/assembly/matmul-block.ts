/**
 * The product of two matrices, cut so that what is used often stays in the caches:
 * over k in passes of at most KC; in each pass the block of b is packed once and every MR rows of a are
 * multiplied with all of its panels. Every element of c adds up over k in one order, whatever else is
 * computed beside it.
 */
import { KC, MR, multiplyTile, NR } from './matmul-micro';
import { packColumnsOfA, packRowsOfA } from './pack';
import { scratch } from './scratch';

/** Working memory: a panel of a, a tile of c at the edge, the block of b, and what fills that block. */
const PANEL_OF_A: usize = 0;
const TILE: usize = 16 << 10;
const BLOCK_OF_B: usize = 20 << 10;
/** Columns of the widest block of b. */
export const MAX_COLUMNS: i32 = 1024;
const AFTER_BLOCK_OF_B: usize = BLOCK_OF_B + <usize>(KC * MAX_COLUMNS * 4);

/** Where this thread's block of b is packed. */
// @ts-ignore: decorator
@inline
export function blockOfB(): usize {
  return scratch() + BLOCK_OF_B;
}

/** Working memory that is free while a block of b is packed; 2 MiB at least. */
// @ts-ignore: decorator
@inline
export function packingSpace(): usize {
  return scratch() + AFTER_BLOCK_OF_B;
}

/** How many steps of k a pass takes, where all passes but the last are alike. */
export function passLength(k: i32): i32 {
  const passes = (k + KC - 1) / KC;
  // A multiple of 4, so that only the last pass has a remainder.
  return ((k + passes - 1) / passes + 3) & ~3;
}

/**
 * c = a b or c += a b for one pass: all rows of a with the packed block of b.
 *
 * @param a first element of this pass; rows of the matrix as it lies in memory are `lda` bytes apart
 * @param transposed a lies in memory as [k, rows]
 * @param ldc bytes between rows of c
 */
export function multiplyBlock(
  a: usize,
  lda: usize,
  transposed: bool,
  rows: i32,
  columns: i32,
  k: i32,
  c: usize,
  ldc: usize,
  add: bool,
): void {
  const panel = scratch() + PANEL_OF_A;
  const rim = scratch() + TILE;
  const bytesOfB = <usize>k << 5;
  for (let i = 0; i < rows; i += MR) {
    const height = min(MR, rows - i);
    if (transposed) packColumnsOfA(a + (<usize>i << 2), lda, height, k, panel);
    else packRowsOfA(a + <usize>i * lda, lda, height, k, panel);
    let b = blockOfB();
    let to = c + <usize>i * ldc;
    let j = 0;
    for (; j <= columns - NR; j += NR, b += bytesOfB, to += <usize>NR << 2) {
      multiplyTile(height, !transposed, panel, b, to, ldc, k, add);
    }
    if (j < columns) {
      multiplyTile(height, !transposed, panel, b, rim, <usize>NR << 2, k, false);
      putRim(rim, height, columns - j, to, ldc, add);
    }
  }
}

/** The columns of a tile that are inside of c. */
function putRim(rim: usize, rows: i32, columns: i32, c: usize, ldc: usize, add: bool): void {
  for (let i = 0; i < rows; i++, c += ldc, rim += <usize>NR << 2) {
    for (let j: usize = 0, end = <usize>columns << 2; j < end; j += 4) {
      const x = load<f32>(rim + j);
      store<f32>(c + j, add ? load<f32>(c + j) + x : x);
    }
  }
}
