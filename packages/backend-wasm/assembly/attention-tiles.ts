// The two small matrix products that attention is made of, 6 or 4 rows by 8 columns at a time: as many
// accumulators as fit into 16 vector registers.
//
// Layouts, all in a thread's scratch memory:
// - rows: a row of up to 128 floats every 512 bytes, so that the row number is a constant offset;
// - panels: 8 columns side by side, [count][8], so that a step down the panel is 32 bytes.
import { fma } from './simd';

/** Floats in one row of the row layout. */
export const WIDTH: i32 = 128;
/** Bytes from one row to the next in the row layout. */
export const ROW: usize = 512;

/**
 * C[r, 0..7] = (add ? C : 0) + sum_k A[r, k] B[k, 0..7] for R rows r. With L = v128, A lies in rows;
 * with L = f32 it lies transposed: element (r, k) at row k, column r.
 */
// @ts-ignore: decorator
@inline
function tile<L>(R: i32, a: usize, b: usize, count: i32, c: usize, stride: usize, add: bool): void {
  const zero = f32x4.splat(0);
  const c1 = c + stride, c2 = c1 + stride, c3 = c2 + stride, c4 = c3 + stride, c5 = c4 + stride;
  let x0 = zero, x1 = zero, x2 = zero, x3 = zero, x4 = zero, x5 = zero;
  let y0 = zero, y1 = zero, y2 = zero, y3 = zero, y4 = zero, y5 = zero;
  if (add) {
    x0 = v128.load(c); y0 = v128.load(c, 16);
    x1 = v128.load(c1); y1 = v128.load(c1, 16);
    x2 = v128.load(c2); y2 = v128.load(c2, 16);
    x3 = v128.load(c3); y3 = v128.load(c3, 16);
    if (R == 6) {
      x4 = v128.load(c4); y4 = v128.load(c4, 16);
      x5 = v128.load(c5); y5 = v128.load(c5, 16);
    }
  }
  for (const end = b + (<usize>count << 5); b < end; b += 32) {
    const p = v128.load(b), q = v128.load(b, 16);
    let s = v128.load32_splat(a);
    x0 = fma(s, p, x0); y0 = fma(s, q, y0);
    s = v128.load32_splat(a, sizeof<L>() == 4 ? 4 : 512);
    x1 = fma(s, p, x1); y1 = fma(s, q, y1);
    s = v128.load32_splat(a, sizeof<L>() == 4 ? 8 : 1024);
    x2 = fma(s, p, x2); y2 = fma(s, q, y2);
    s = v128.load32_splat(a, sizeof<L>() == 4 ? 12 : 1536);
    x3 = fma(s, p, x3); y3 = fma(s, q, y3);
    if (R == 6) {
      s = v128.load32_splat(a, sizeof<L>() == 4 ? 16 : 2048);
      x4 = fma(s, p, x4); y4 = fma(s, q, y4);
      s = v128.load32_splat(a, sizeof<L>() == 4 ? 20 : 2560);
      x5 = fma(s, p, x5); y5 = fma(s, q, y5);
    }
    a += sizeof<L>() == 4 ? 512 : 4;
  }
  v128.store(c, x0); v128.store(c, y0, 16);
  v128.store(c1, x1); v128.store(c1, y1, 16);
  v128.store(c2, x2); v128.store(c2, y2, 16);
  v128.store(c3, x3); v128.store(c3, y3, 16);
  if (R == 6) {
    v128.store(c4, x4); v128.store(c4, y4, 16);
    v128.store(c5, x5); v128.store(c5, y5, 16);
  }
}

function rows6(a: usize, b: usize, count: i32, c: usize, stride: usize, add: bool): void {
  tile<v128>(6, a, b, count, c, stride, add);
}

function rows4(a: usize, b: usize, count: i32, c: usize, stride: usize, add: bool): void {
  tile<v128>(4, a, b, count, c, stride, add);
}

function columns6(a: usize, b: usize, count: i32, c: usize, stride: usize, add: bool): void {
  tile<f32>(6, a, b, count, c, stride, add);
}

function columns4(a: usize, b: usize, count: i32, c: usize, stride: usize, add: bool): void {
  tile<f32>(4, a, b, count, c, stride, add);
}

/** Rows that are computed for `n` rows: an even number from 4 up, which groups of 6 and 4 cover. */
// @ts-ignore: decorator
@inline
export function coveredRows(n: i32): i32 {
  const even = (n + 1) & ~1;
  return even < 4 ? 4 : even;
}

/** How many of the rows that are left (an even number from 4 up) the next group takes. */
// @ts-ignore: decorator
@inline
export function groupRows(left: i32): i32 {
  return left % 6 == 0 ? 6 : 4;
}

/** C [R, 8 panels] (+)= A [R, count] B [count, 8 panels] for one group of R rows of the row layout. */
export function multiplyGroup(
  R: i32, a: usize, b: usize, panelBytes: usize, panels: i32, count: i32,
  c: usize, stride: usize, add: bool,
): void {
  for (let i = 0; i < panels; i++, b += panelBytes, c += 32) {
    if (R == 6) rows6(a, b, count, c, stride, add);
    else rows4(a, b, count, c, stride, add);
  }
}

/**
 * C [R, count] = A [R, d] B [d, count] for one group of R rows, in the row layout on both sides. A
 * has its columns in bands of 128, `band` bytes apart; B lies in panels of 8 columns.
 */
export function multiplyBands(
  R: i32, a: usize, band: usize, b: usize, d: i32, count: i32, c: usize,
): void {
  for (let at = 0; at < d; at += WIDTH, a += band) {
    const panel = b + (<usize>at << 5);
    multiplyGroup(R, a, panel, <usize>d << 5, (count + 7) >> 3, min(WIDTH, d - at), c, ROW, at > 0);
  }
}

/** C [m, 8 panels] = A^T B for A [count, m] in the row layout, m even from 4 to 128. */
export function multiplyTransposed(
  m: i32, a: usize, b: usize, panelBytes: usize, panels: i32, count: i32, c: usize, stride: usize,
): void {
  for (let left = m; left > 0;) {
    const R = groupRows(left);
    let panel = b;
    let to = c;
    for (let i = 0; i < panels; i++, panel += panelBytes, to += 32) {
      if (R == 6) columns6(a, panel, count, to, stride, false);
      else columns4(a, panel, count, to, stride, false);
    }
    a += <usize>R << 2;
    c += <usize>R * stride;
    left -= R;
  }
}
