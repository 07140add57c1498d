/**
 * Products with few rows of x (the conditioning of some images): reading the weight is what takes
 * the time, so it is read once, where it lies, and nothing is packed. Both operands run along k, so
 * each sum is kept in four lanes and added up at the end.
 */
import { packingSpace } from './matmul-block';
import { decodeRow, PackedMatrix } from './pack-codes';
import { fma, sumLanes } from './simd';

/** Rows of the weight that are used together: they stay in the first-level cache for all of x. */
const GROUP: i32 = 4;

/**
 * @param weight [*, k] or 0 if it is packed
 * @param column the first row of the weight, and `columns` how many
 * @param to where the result for the first of them goes; rows are `ldc` bytes apart
 */
export function multiplyFew(
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
  const ld = <usize>k << 2;
  const space = packingSpace();
  for (let j = 0; j < columns; j += GROUP, to += <usize>GROUP << 2) {
    const group = min(GROUP, columns - j);
    let w = weight + <usize>(column + j) * ld;
    if (weight == 0) {
      w = space;
      for (let r = 0; r < group; r++) decodeRow(packed, column + j + r, 0, k, k, w + <usize>r * ld);
    }
    if (group == GROUP) fourColumns(x, ld, rows, w, k, to, ldc);
    else {
      for (let i = 0; i < rows; i++) {
        const from = x + <usize>i * ld;
        for (let r = 0; r < group; r++) {
          const at = to + <usize>i * ldc + (<usize>r << 2);
          dots(1, 1, from, ld, w + <usize>r * ld, k, at, ldc);
        }
      }
    }
  }
}

/** All rows of x with 4 rows of the weight. */
function fourColumns(
  x: usize,
  ld: usize,
  rows: i32,
  w: usize,
  k: i32,
  to: usize,
  ldc: usize,
): void {
  let i = 0;
  for (; i <= rows - 4; i += 4, x += ld * 4, to += ldc * 4) {
    fourRows(x, ld, w, k, to, ldc);
    fourRows(x, ld, w + ld * 2, k, to + 8, ldc);
  }
  const left = rows - i;
  if (left == 3) {
    threeRows(x, ld, w, k, to, ldc);
    threeRows(x, ld, w + ld * 2, k, to + 8, ldc);
  } else if (left == 2) {
    twoRows(x, ld, w, k, to, ldc);
  } else if (left == 1) {
    oneRow(x, ld, w, k, to, ldc);
  }
}

// Each as a function of its own, so that each gets the registers to itself.
function fourRows(x: usize, ld: usize, w: usize, k: i32, to: usize, ldc: usize): void {
  dots(4, 2, x, ld, w, k, to, ldc);
}
function threeRows(x: usize, ld: usize, w: usize, k: i32, to: usize, ldc: usize): void {
  dots(3, 2, x, ld, w, k, to, ldc);
}
function twoRows(x: usize, ld: usize, w: usize, k: i32, to: usize, ldc: usize): void {
  dots(2, 4, x, ld, w, k, to, ldc);
}
function oneRow(x: usize, ld: usize, w: usize, k: i32, to: usize, ldc: usize): void {
  dots(1, 4, x, ld, w, k, to, ldc);
}

/**
 * Inner products of every row of x with every row of w; both kinds are `ld` bytes apart.
 *
 * @param rows 1 to 4
 * @param columns 1, 2 or 4; 4 only for at most 2 rows
 */
// @ts-ignore: decorator
@inline
function dots(
  rows: i32,
  columns: i32,
  x: usize,
  ld: usize,
  w: usize,
  k: i32,
  to: usize,
  ldc: usize,
): void {
  const x1 = x + ld, x2 = x + ld * 2, x3 = x + ld * 3;
  const w1 = w + ld, w2 = w + ld * 2, w3 = w + ld * 3;
  let c00 = f32x4.splat(0), c01 = c00, c02 = c00, c03 = c00;
  let c10 = c00, c11 = c00, c12 = c00, c13 = c00;
  let c20 = c00, c21 = c00, c30 = c00, c31 = c00;
  const whole = <usize>(k & ~3) << 2;
  for (let i: usize = 0; i < whole; i += 16) {
    const b0 = v128.load(w + i);
    let b1 = b0, b2 = b0, b3 = b0;
    if (columns > 1) b1 = v128.load(w1 + i);
    if (columns > 2) {
      b2 = v128.load(w2 + i);
      b3 = v128.load(w3 + i);
    }
    let a = v128.load(x + i);
    c00 = fma(a, b0, c00);
    if (columns > 1) c01 = fma(a, b1, c01);
    if (columns > 2) {
      c02 = fma(a, b2, c02);
      c03 = fma(a, b3, c03);
    }
    if (rows > 1) {
      a = v128.load(x1 + i);
      c10 = fma(a, b0, c10);
      c11 = fma(a, b1, c11);
      if (columns > 2) {
        c12 = fma(a, b2, c12);
        c13 = fma(a, b3, c13);
      }
    }
    if (rows > 2) {
      a = v128.load(x2 + i);
      c20 = fma(a, b0, c20);
      c21 = fma(a, b1, c21);
    }
    if (rows > 3) {
      a = v128.load(x3 + i);
      c30 = fma(a, b0, c30);
      c31 = fma(a, b1, c31);
    }
  }
  put(to, c00, x, w, whole, k);
  if (columns > 1) put(to + 4, c01, x, w1, whole, k);
  if (columns > 2) {
    put(to + 8, c02, x, w2, whole, k);
    put(to + 12, c03, x, w3, whole, k);
  }
  if (rows > 1) {
    to += ldc;
    put(to, c10, x1, w, whole, k);
    put(to + 4, c11, x1, w1, whole, k);
    if (columns > 2) {
      put(to + 8, c12, x1, w2, whole, k);
      put(to + 12, c13, x1, w3, whole, k);
    }
  }
  if (rows > 2) {
    to += ldc;
    put(to, c20, x2, w, whole, k);
    put(to + 4, c21, x2, w1, whole, k);
  }
  if (rows > 3) {
    to += ldc;
    put(to, c30, x3, w, whole, k);
    put(to + 4, c31, x3, w1, whole, k);
  }
}

/** The sum of the lanes and of what is left of k. */
function put(to: usize, sums: v128, x: usize, w: usize, done: usize, k: i32): void {
  let sum = sumLanes(sums);
  for (let i = done, end = <usize>k << 2; i < end; i += 4) sum += load<f32>(x + i) * load<f32>(w + i);
  store<f32>(to, sum);
}
