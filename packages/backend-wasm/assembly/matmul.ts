import { blockOfB, multiplyBlock, passLength } from './matmul-block';
import { packColumnsOfB, packRowsOfB } from './pack';

/**
 * Batched product [batch, m, k] by [batch, k, n] -> [batch, m, n], float32.
 *
 * Arguments: a, b, c; m, n, k; transposeA, transposeB (0 or 1; then [k, m] and [n, k] lie in memory);
 * rows and columns of a chunk; chunks along m and along n. Chunks count along n first, then m, then
 * the batch.
 */
export function matmul(args: usize, begin: i32, end: i32): void {
  const a = load<usize>(args);
  const b = load<usize>(args, 4);
  const c = load<usize>(args, 8);
  const m = load<i32>(args, 12);
  const n = load<i32>(args, 16);
  const k = load<i32>(args, 20);
  const transposeA = load<i32>(args, 24) != 0;
  const transposeB = load<i32>(args, 28) != 0;
  const chunkRows = load<i32>(args, 32);
  const chunkColumns = load<i32>(args, 36);
  const alongM = load<i32>(args, 40);
  const alongN = load<i32>(args, 44);

  const lda = <usize>(transposeA ? m : k) << 2;
  const ldb = <usize>(transposeB ? k : n) << 2;
  const ldc = <usize>n << 2;
  const step = passLength(k);
  for (let chunk = begin; chunk < end; chunk++) {
    const column = (chunk % alongN) * chunkColumns;
    const rest = chunk / alongN;
    const row = (rest % alongM) * chunkRows;
    const item = <usize>(rest / alongM);
    const rows = min(chunkRows, m - row);
    const columns = min(chunkColumns, n - column);
    const fromA = a + ((item * <usize>m * <usize>k) << 2);
    const fromB = b + ((item * <usize>k * <usize>n) << 2);
    const to = c + ((item * <usize>m * <usize>n + <usize>row * <usize>n + <usize>column) << 2);
    for (let p = 0; p < k; p += step) {
      const depth = min(step, k - p);
      if (transposeB) {
        packColumnsOfB(at(fromB, column, ldb, p), ldb, depth, columns, blockOfB());
      } else {
        packRowsOfB(at(fromB, p, ldb, column), ldb, depth, columns, blockOfB());
      }
      const first = transposeA ? at(fromA, p, lda, row) : at(fromA, row, lda, p);
      multiplyBlock(first, lda, transposeA, rows, columns, depth, to, ldc, p > 0);
    }
  }
}

/** Address of an element. */
// @ts-ignore: decorator
@inline
function at(matrix: usize, row: i32, rowBytes: usize, column: i32): usize {
  return matrix + <usize>row * rowBytes + (<usize>column << 2);
}
