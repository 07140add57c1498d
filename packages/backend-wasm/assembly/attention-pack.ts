// Copies between tensors and the layouts of attention-tiles.ts.
import { ROW, WIDTH } from './attention-tiles';
import { scratch } from './scratch';

/** The next multiple of 8. */
// @ts-ignore: decorator
@inline
export function roundTo8(n: i32): i32 {
  return (n + 7) & ~7;
}

/** An image larger than this does not stay in a second-level cache until its heads are done. */
const TOUCHED: usize = 512 << 10;

/**
 * Reads `bytes` bytes of one image in order, if they are few enough to stay cached. Rows of one head
 * lie apart, which no prefetcher follows: attention of 49 tokens takes a fifth longer without.
 * Overwrites the beginning of the thread's working memory.
 */
export function touch(from: usize, bytes: usize): void {
  if (bytes > TOUCHED) return;
  const end = from + bytes;
  let all = f32x4.splat(0);
  for (; from < end; from += 64) all = v128.or(all, v128.load32_zero(from));
  v128.store(scratch(), all);
}

/** One row of `n` floats, times `factor`; floats from n to `padded` become 0. */
// @ts-ignore: decorator
@inline
function copyRow(from: usize, to: usize, n: i32, padded: i32, factor: f32): void {
  const f = f32x4.splat(factor);
  let j = 0;
  for (; j <= n - 4; j += 4) {
    v128.store(to + (<usize>j << 2), f32x4.mul(v128.load(from + (<usize>j << 2)), f));
  }
  for (; j < n; j++) store<f32>(to + (<usize>j << 2), load<f32>(from + (<usize>j << 2)) * factor);
  for (; j < padded; j++) store<f32>(to + (<usize>j << 2), 0);
}

/**
 * `rows` rows of `n` floats to the row layout, in blocks of 128 columns [block][covered][128]; rows
 * from `rows` to `covered` become 0.
 */
export function packRows(
  from: usize, stride: usize, rows: i32, covered: i32, n: i32, factor: f32, to: usize,
): void {
  for (let at = 0; at < n; at += WIDTH) {
    const width = min(WIDTH, n - at);
    const column = from + (<usize>at << 2);
    for (let r = 0; r < rows; r++) {
      copyRow(column + <usize>r * stride, to + <usize>r * ROW, width, width, factor);
    }
    for (let r = rows; r < covered; r++) memory.fill(to + <usize>r * ROW, 0, <usize>width << 2);
    to += <usize>covered * ROW;
  }
}

/** `rows` rows of `n` floats to panels of 8 columns [ceil(n / 8)][rows][8], padded with 0. */
export function packPanels(from: usize, stride: usize, rows: i32, n: i32, factor: f32, to: usize): void {
  const f = f32x4.splat(factor);
  const panel = <usize>rows << 5;
  for (let r = 0; r < rows; r++) {
    let at = to + (<usize>r << 5);
    let j = 0;
    for (; j <= n - 8; j += 8, at += panel) {
      const source = from + (<usize>j << 2);
      v128.store(at, f32x4.mul(v128.load(source), f));
      v128.store(at, f32x4.mul(v128.load(source, 16), f), 16);
    }
    if (j < n) copyRow(from + (<usize>j << 2), at, n - j, 8, factor);
    from += stride;
  }
}

/**
 * The transpose of `rows` rows of `n` floats to panels of 8 rows [ceil(rows / 8)][n][8], padded
 * with 0.
 */
export function packTransposed(from: usize, stride: usize, rows: i32, n: i32, to: usize): void {
  for (let r = 0; r < rows; r += 8, to += <usize>n << 5) {
    for (let half = 0; half < 8; half += 4) {
      const source = from + <usize>(r + half) * stride;
      const target = to + (<usize>half << 2);
      if (r + half + 4 <= rows) transpose4(source, stride, n, target);
      else transposeSome(source, stride, rows - r - half, n, target);
    }
  }
}

function transpose4(from: usize, stride: usize, n: i32, to: usize): void {
  let p0 = from, p1 = p0 + stride, p2 = p1 + stride, p3 = p2 + stride;
  let j = 0;
  for (; j <= n - 4; j += 4, to += 128) {
    const a = v128.load(p0), b = v128.load(p1), c = v128.load(p2), d = v128.load(p3);
    const ab = v128.shuffle<f32>(a, b, 0, 4, 1, 5), AB = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
    const cd = v128.shuffle<f32>(c, d, 0, 4, 1, 5), CD = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
    v128.store(to, v128.shuffle<f64>(ab, cd, 0, 2));
    v128.store(to, v128.shuffle<f64>(ab, cd, 1, 3), 32);
    v128.store(to, v128.shuffle<f64>(AB, CD, 0, 2), 64);
    v128.store(to, v128.shuffle<f64>(AB, CD, 1, 3), 96);
    p0 += 16; p1 += 16; p2 += 16; p3 += 16;
  }
  for (; j < n; j++, to += 32) {
    store<f32>(to, load<f32>(p0)); store<f32>(to, load<f32>(p1), 4);
    store<f32>(to, load<f32>(p2), 8); store<f32>(to, load<f32>(p3), 12);
    p0 += 4; p1 += 4; p2 += 4; p3 += 4;
  }
}

/** Fewer than 4 rows (none, if `rows` is not positive); the others are 0. */
function transposeSome(from: usize, stride: usize, rows: i32, n: i32, to: usize): void {
  for (let j = 0; j < n; j++, to += 32, from += 4) {
    v128.store(to, f32x4.splat(0));
    for (let r = 0; r < rows; r++) store<f32>(to + (<usize>r << 2), load<f32>(from + <usize>r * stride));
  }
}

/** to (+)= factor * from, `rows` rows of `n` floats. */
export function unpackRows(
  from: usize, fromStride: usize, rows: i32, n: i32, factor: f32, to: usize, toStride: usize, add: bool,
): void {
  const f = f32x4.splat(factor);
  const zero = f32x4.splat(0);
  for (let r = 0; r < rows; r++, from += fromStride, to += toStride) {
    let j = 0;
    for (; j <= n - 4; j += 4) {
      const at = to + (<usize>j << 2);
      const value = f32x4.mul(v128.load(from + (<usize>j << 2)), f);
      v128.store(at, f32x4.add(add ? v128.load(at) : zero, value));
    }
    for (; j < n; j++) {
      const at = to + (<usize>j << 2);
      store<f32>(at, (add ? load<f32>(at) : 0) + load<f32>(from + (<usize>j << 2)) * factor);
    }
  }
}
