import { Epilogue, finish } from './linear-epilogue';
import { multiplyFew } from './linear-few';
import { blockOfB, multiplyBlock, packingSpace, passLength } from './matmul-block';
import { packColumnsOfB } from './pack';
import { packCodesOfB, PackedMatrix } from './pack-codes';

/** Bytes from the first argument to those of the epilogue, and to those of a packed weight. */
const EPILOGUE: usize = 48;
const PACKED: usize = 80;

/**
 * Linear layer x W^T with an epilogue: x [m, k], W [n, k] -> [m, n], float32.
 *
 * Arguments: x, W (0: packed), out; m, n, k; rows and columns of a chunk; chunks along n; 1 if rows
 * are few; from word 12 the {@link Epilogue}; from word 20 the {@link PackedMatrix}. Chunks count
 * along n first.
 */
export function linear(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args);
  const weight = load<usize>(args, 4);
  const out = load<usize>(args, 8);
  const m = load<i32>(args, 12);
  const n = load<i32>(args, 16);
  const k = load<i32>(args, 20);
  const chunkRows = load<i32>(args, 24);
  const chunkColumns = load<i32>(args, 28);
  const alongN = load<i32>(args, 32);
  const few = load<i32>(args, 36) != 0;
  const epilogue = changetype<Epilogue>(args + EPILOGUE);
  const packed = changetype<PackedMatrix>(args + PACKED);

  for (let chunk = begin; chunk < end; chunk++) {
    const column = (chunk % alongN) * chunkColumns;
    const row = (chunk / alongN) * chunkRows;
    const rows = min(chunkRows, m - row);
    const columns = min(chunkColumns, n - column);
    const from = x + ((<usize>row * <usize>k) << 2);
    const to = out + ((<usize>row * <usize>n + <usize>column) << 2);
    if (few) multiplyFew(from, weight, packed, rows, column, columns, k, to, <usize>n << 2);
    else multiply(from, weight, packed, rows, column, columns, k, to, <usize>n << 2);
    finish(epilogue, out, n, row, rows, column, columns);
  }
}

/** Rows of x with rows [column, column + columns) of the weight, which are packed a pass at a time. */
function multiply(
  x: usize,
  weight: usize,
  packed: PackedMatrix,
  rows: i32,
  column: i32,
  columns: i32,
  k: i32,
  to: usize,
  ldc: usize,
): void {
  const step = passLength(k);
  const ld = <usize>k << 2;
  const block = blockOfB();
  for (let p = 0; p < k; p += step) {
    const depth = min(step, k - p);
    const left = <usize>p << 2;
    if (weight != 0) packColumnsOfB(weight + <usize>column * ld + left, ld, depth, columns, block);
    else packCodesOfB(packed, column, columns, p, depth, k, packingSpace(), block);
    multiplyBlock(x + left, ld, false, rows, columns, depth, to, ldc, p > 0);
  }
}
