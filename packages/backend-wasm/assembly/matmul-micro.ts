/**
 * The innermost product: a tile of at most MR rows and NR columns, accumulated in registers over k.
 *
 * x64 engines have 15 vector registers to give. With fused multiply-add 12 sums, 2 columns of b and 1
 * of a fill them; without, the product needs one too, and 4 rows measure faster than 3 or 5.
 */
import { fma } from './simd';

/** Rows of a full tile. */
export const MR: i32 = ASC_FEATURE_RELAXED_SIMD ? 6 : 4;
/** Columns of a tile; panels of b are as wide. */
export const NR: i32 = 8;
/** Largest k of one pass: a panel of a and one of b stay in the first-level cache. */
export const KC: i32 = 384;
/** Bytes between the rows of a panel of a by rows; not a power of two, which would share cache sets. */
export const ROW_BYTES: usize = <usize>(KC + 16) * 4;

type ByRows = u8;
type ByColumns = u16;

/**
 * c = a b or c += a b.
 *
 * @param L layout of a; ByRows: [rows][k], rows ROW_BYTES apart; ByColumns: [k][MR]. A type, because
 *   only what is known to the compiler can be an offset inside a load instruction
 * @param b [k][NR]
 * @param ldc bytes between rows of c
 */
// @ts-ignore: decorator
@inline
function tile<L>(rows: i32, a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  let c00 = f32x4.splat(0), c01 = c00, c10 = c00, c11 = c00, c20 = c00, c21 = c00;
  let c30 = c00, c31 = c00, c40 = c00, c41 = c00, c50 = c00, c51 = c00;
  const end = b + (<usize>k << 5);
  // One step at a time: engines move the loads of an unrolled loop ahead and run out of registers.
  while (b < end) {
    const b0 = v128.load(b);
    const b1 = v128.load(b, 16);
    let x = v128.load32_splat(a);
    c00 = fma(x, b0, c00);
    c01 = fma(x, b1, c01);
    if (rows > 1) {
      x = v128.load32_splat(a, sizeof<L>() == 1 ? ROW_BYTES : 4);
      c10 = fma(x, b0, c10);
      c11 = fma(x, b1, c11);
    }
    if (rows > 2) {
      x = v128.load32_splat(a, 2 * (sizeof<L>() == 1 ? ROW_BYTES : 4));
      c20 = fma(x, b0, c20);
      c21 = fma(x, b1, c21);
    }
    if (rows > 3) {
      x = v128.load32_splat(a, 3 * (sizeof<L>() == 1 ? ROW_BYTES : 4));
      c30 = fma(x, b0, c30);
      c31 = fma(x, b1, c31);
    }
    if (rows > 4) {
      x = v128.load32_splat(a, 4 * (sizeof<L>() == 1 ? ROW_BYTES : 4));
      c40 = fma(x, b0, c40);
      c41 = fma(x, b1, c41);
    }
    if (rows > 5) {
      x = v128.load32_splat(a, 5 * (sizeof<L>() == 1 ? ROW_BYTES : 4));
      c50 = fma(x, b0, c50);
      c51 = fma(x, b1, c51);
    }
    a += sizeof<L>() == 1 ? 4 : <usize>MR * 4;
    b += 32;
  }
  put(c, c00, c01, add);
  if (rows > 1) put((c += ldc), c10, c11, add);
  if (rows > 2) put((c += ldc), c20, c21, add);
  if (rows > 3) put((c += ldc), c30, c31, add);
  if (rows > 4) put((c += ldc), c40, c41, add);
  if (rows > 5) put((c += ldc), c50, c51, add);
}

// @ts-ignore: decorator
@inline
function put(c: usize, x: v128, y: v128, add: bool): void {
  if (add) {
    x = f32x4.add(v128.load(c), x);
    y = f32x4.add(v128.load(c, 16), y);
  }
  v128.store(c, x);
  v128.store(c, y, 16);
}

// Each as a function of its own, so that each gets the registers to itself.
function byRows1(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByRows>(1, a, b, c, ldc, k, add);
}
function byRows2(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByRows>(2, a, b, c, ldc, k, add);
}
function byRows3(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByRows>(3, a, b, c, ldc, k, add);
}
function byRows4(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByRows>(4, a, b, c, ldc, k, add);
}
function byRows5(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByRows>(5, a, b, c, ldc, k, add);
}
function byRows6(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByRows>(6, a, b, c, ldc, k, add);
}
function byColumns1(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByColumns>(1, a, b, c, ldc, k, add);
}
function byColumns2(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByColumns>(2, a, b, c, ldc, k, add);
}
function byColumns3(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByColumns>(3, a, b, c, ldc, k, add);
}
function byColumns4(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByColumns>(4, a, b, c, ldc, k, add);
}
function byColumns5(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByColumns>(5, a, b, c, ldc, k, add);
}
function byColumns6(a: usize, b: usize, c: usize, ldc: usize, k: i32, add: bool): void {
  tile<ByColumns>(6, a, b, c, ldc, k, add);
}

/**
 * A tile of a panel of a and a panel of b.
 *
 * @param rows 1 to MR
 * @param byRows how the panel of a is laid out: true [rows][k], ROW_BYTES apart; false [k][MR]
 */
export function multiplyTile(
  rows: i32,
  byRows: bool,
  a: usize,
  b: usize,
  c: usize,
  ldc: usize,
  k: i32,
  add: bool,
): void {
  if (byRows) {
    if (MR == 6 && rows == 6) byRows6(a, b, c, ldc, k, add);
    else if (MR == 6 && rows == 5) byRows5(a, b, c, ldc, k, add);
    else if (rows == 4) byRows4(a, b, c, ldc, k, add);
    else if (rows == 3) byRows3(a, b, c, ldc, k, add);
    else if (rows == 2) byRows2(a, b, c, ldc, k, add);
    else byRows1(a, b, c, ldc, k, add);
  } else {
    if (MR == 6 && rows == 6) byColumns6(a, b, c, ldc, k, add);
    else if (MR == 6 && rows == 5) byColumns5(a, b, c, ldc, k, add);
    else if (rows == 4) byColumns4(a, b, c, ldc, k, add);
    else if (rows == 3) byColumns3(a, b, c, ldc, k, add);
    else if (rows == 2) byColumns2(a, b, c, ldc, k, add);
    else byColumns1(a, b, c, ldc, k, add);
  }
}
