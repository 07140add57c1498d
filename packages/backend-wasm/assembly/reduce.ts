/**
 * Sums and maxima of [outer, n, inner] over n. The work is cut into items: of one index of `outer`
 * one piece of n and, where inner > 1, one block of columns. With more than one piece the result is
 * [outer, pieces, inner], which the host reduces once more: so the order of a sum depends on nothing
 * but the shape.
 */
import { sumLanes } from './simd';

const SUM = 0;
const MAX = 1;

/** Elements whose sum is formed in float32; such sums are added up in float64. */
const BLOCK: i32 = 1024;

/** The choice is made at compile time: `op` is a constant wherever this is used. */
// @ts-ignore: decorator
@inline
function both(op: i32, a: v128, b: v128): v128 {
  return op == SUM ? f32x4.add(a, b) : f32x4.max(a, b);
}

// @ts-ignore: decorator
@inline
function bothOf(op: i32, a: f32, b: f32): f32 {
  return op == SUM ? a + b : max(a, b);
}

/** Of at most BLOCK elements side by side. */
// @ts-ignore: decorator
@inline
function sumOf(x: usize, length: i32): f32 {
  let left = length;
  let a = f32x4.splat(0);
  if (left >= 16) {
    let b = a;
    let c = a;
    let d = a;
    for (; left >= 16; left -= 16) {
      a = f32x4.add(a, v128.load(x));
      b = f32x4.add(b, v128.load(x, 16));
      c = f32x4.add(c, v128.load(x, 32));
      d = f32x4.add(d, v128.load(x, 48));
      x += 64;
    }
    a = f32x4.add(f32x4.add(a, b), f32x4.add(c, d));
  }
  for (; left >= 4; left -= 4) {
    a = f32x4.add(a, v128.load(x));
    x += 16;
  }
  let sum = sumLanes(a);
  for (; left > 0; left--) {
    sum += load<f32>(x);
    x += 4;
  }
  return sum;
}

/**
 * The largest element, NaN if there is one. The instruction that lets NaN through costs processors
 * eight of their own, so the maximum is of numbers only, and NaN is looked for beside it.
 */
// @ts-ignore: decorator
@inline
function maximumOf(x: usize, length: i32): f32 {
  let left = length;
  let a = f32x4.splat(-Infinity);
  let b = a;
  let isNaN = f32x4.splat(0);
  for (; left >= 8; left -= 8) {
    const v = v128.load(x);
    const w = v128.load(x, 16);
    // pmax gives its first operand unless the second one is larger.
    a = f32x4.pmax(a, v);
    b = f32x4.pmax(b, w);
    isNaN = v128.or(isNaN, v128.or(f32x4.ne(v, v), f32x4.ne(w, w)));
    x += 32;
  }
  a = f32x4.pmax(a, b);
  a = f32x4.pmax(a, v128.shuffle<i64>(a, a, 1, 0));
  let most = max(f32x4.extract_lane(a, 0), f32x4.extract_lane(a, 1));
  if (v128.any_true(isNaN)) return NaN;
  for (; left > 0; left--) {
    most = max(most, load<f32>(x));
    x += 4;
  }
  return most;
}

/** Rows of two or four elements, four rows at a time. Returns how many rows are done. */
// @ts-ignore: decorator
@inline
function narrowRows(op: i32, x: usize, out: usize, n: i32, count: i32): i32 {
  const whole = count & ~3;
  const last = out + (<usize>whole << 2);
  if (n == 2) {
    for (; out < last; out += 16) {
      v128.store(out, neighbours(op, v128.load(x), v128.load(x, 16)));
      x += 32;
    }
  } else {
    for (; out < last; out += 16) {
      const ab = neighbours(op, v128.load(x), v128.load(x, 16));
      const cd = neighbours(op, v128.load(x, 32), v128.load(x, 48));
      v128.store(out, neighbours(op, ab, cd));
      x += 64;
    }
  }
  return whole;
}

/** Lanes 0 and 1 of a in one, lanes 2 and 3, then those of b. */
// @ts-ignore: decorator
@inline
function neighbours(op: i32, a: v128, b: v128): v128 {
  const even = v128.shuffle<i32>(a, b, 0, 2, 4, 6);
  return both(op, even, v128.shuffle<i32>(a, b, 1, 3, 5, 7));
}

/** Arguments: x [outer, n], out [outer, pieces]; outer, n; items per chunk; pieces, their length. */
// @ts-ignore: decorator
@inline
function rows(op: i32, args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args);
  const out = load<usize>(args, 4);
  const outer = load<i32>(args, 8);
  const n = load<i32>(args, 12);
  const perChunk = load<i32>(args, 16);
  const pieces = load<i32>(args, 20);
  const pieceLength = load<i32>(args, 24);
  const last = min(end * perChunk, outer * pieces);
  let item = begin * perChunk;
  if (n == 2 || n == 4) {
    const from = x + (<usize>item * <usize>n << 2);
    item += narrowRows(op, from, out + (<usize>item << 2), n, last - item);
  }
  for (; item < last; item++) {
    const row = item / pieces;
    const from = (item - row * pieces) * pieceLength;
    let left = min(pieceLength, n - from);
    let at = x + ((<usize>row * <usize>n + <usize>from) << 2);
    if (op == SUM) {
      let total: f64 = 0;
      for (; left > 0; left -= BLOCK) {
        total += <f64>sumOf(at, min(left, BLOCK));
        at += <usize>BLOCK << 2;
      }
      store<f32>(out + (<usize>item << 2), <f32>total);
    } else {
      store<f32>(out + (<usize>item << 2), maximumOf(at, left));
    }
  }
}

/** Eight rows into one: out = out + rows, or the rows alone where nothing is in `out` yet. */
// @ts-ignore: decorator
@inline
function eightRows(op: i32, x: usize, out: usize, step: usize, columns: i32, isFirst: bool): void {
  const x4 = x + 4 * step;
  let c: usize = 0;
  const vectors = <usize>(columns & ~3) << 2;
  const end = <usize>columns << 2;
  for (; c < vectors; c += 16) {
    const p = x + c;
    const q = x4 + c;
    const r0 = both(op, v128.load(p), v128.load(p + step));
    const r1 = both(op, v128.load(p + 2 * step), v128.load(p + 3 * step));
    const r2 = both(op, v128.load(q), v128.load(q + step));
    const r3 = both(op, v128.load(q + 2 * step), v128.load(q + 3 * step));
    const all = both(op, both(op, r0, r1), both(op, r2, r3));
    v128.store(out + c, isFirst ? all : both(op, v128.load(out + c), all));
  }
  for (; c < end; c += 4) {
    const p = x + c;
    const q = x4 + c;
    const r0 = bothOf(op, load<f32>(p), load<f32>(p + step));
    const r1 = bothOf(op, load<f32>(p + 2 * step), load<f32>(p + 3 * step));
    const r2 = bothOf(op, load<f32>(q), load<f32>(q + step));
    const r3 = bothOf(op, load<f32>(q + 2 * step), load<f32>(q + 3 * step));
    const all = bothOf(op, bothOf(op, r0, r1), bothOf(op, r2, r3));
    store<f32>(out + c, isFirst ? all : bothOf(op, load<f32>(out + c), all));
  }
}

// @ts-ignore: decorator
@inline
function oneRow(op: i32, x: usize, out: usize, columns: i32): void {
  let left = columns;
  for (; left >= 4; left -= 4) {
    v128.store(out, both(op, v128.load(out), v128.load(x)));
    x += 16;
    out += 16;
  }
  for (; left > 0; left--) {
    store<f32>(out, bothOf(op, load<f32>(out), load<f32>(x)));
    x += 4;
    out += 4;
  }
}

/**
 * Arguments: x [outer, n, inner], out [outer, pieces, inner]; outer, n, inner; items per chunk;
 * pieces, their length; blocks of columns, columns per block.
 */
// @ts-ignore: decorator
@inline
function columns(op: i32, args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args);
  const out = load<usize>(args, 4);
  const outer = load<i32>(args, 8);
  const n = load<i32>(args, 12);
  const inner = load<i32>(args, 16);
  const perChunk = load<i32>(args, 20);
  const pieces = load<i32>(args, 24);
  const pieceLength = load<i32>(args, 28);
  const blocks = load<i32>(args, 32);
  const blockColumns = load<i32>(args, 36);
  const step = <usize>inner << 2;
  const last = min(end * perChunk, outer * pieces * blocks);
  for (let item = begin * perChunk; item < last; item++) {
    const part = item / blocks; // [outer, pieces]
    const column = (item - part * blocks) * blockColumns;
    const width = min(blockColumns, inner - column);
    const at = part / pieces;
    const from = (part - at * pieces) * pieceLength;
    const to = out + <usize>part * step + (<usize>column << 2);
    let row = x + (<usize>at * <usize>n + <usize>from) * step + (<usize>column << 2);
    let left = min(pieceLength, n - from);
    if (left >= 8) {
      eightRows(op, row, to, step, width, true);
      row += 8 * step;
      left -= 8;
    } else {
      memory.copy(to, row, <usize>width << 2);
      row += step;
      left--;
    }
    for (; left >= 8; left -= 8) {
      eightRows(op, row, to, step, width, false);
      row += 8 * step;
    }
    for (; left > 0; left--) {
      oneRow(op, row, to, width);
      row += step;
    }
  }
}

export function reduce_sum_rows(args: usize, begin: i32, end: i32): void {
  rows(SUM, args, begin, end);
}

export function reduce_max_rows(args: usize, begin: i32, end: i32): void {
  rows(MAX, args, begin, end);
}

export function reduce_sum_columns(args: usize, begin: i32, end: i32): void {
  columns(SUM, args, begin, end);
}

export function reduce_max_columns(args: usize, begin: i32, end: i32): void {
  columns(MAX, args, begin, end);
}
