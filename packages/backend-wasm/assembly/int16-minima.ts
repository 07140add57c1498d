/**
 * Smallest scores of 8 rows among blocks of 8 codewords, in integers: which block is nearest can be
 * told from 16-bit values with an error that is known beforehand, and one product of 16-bit pairs does
 * the work of two float multiplications and an addition.
 *
 * The score |c|^2 / 2 - x.c orders codewords as |x - c|^2 does. With X and C the nearest integers of
 * s x and s c, and h the nearest one of |s c|^2 / 2, the integer score h - X.C is off from s^2 times
 * the true one by less than 0.51 (|X|_1 + |C|_1 + d) + 1: every value of X and C by 0.5, what s x loses
 * to rounding before by 2^-8 more, and h by 0.5.
 */
import { BLOCK, TILE } from './block-minima';

/** Most values of a codeword: with more of them scores could leave 32 bits. */
export const INT16_MAX_DIMENSION: i32 = 14;

/** Where the codewords begin, behind the scale (float32, 0: unusable) and the largest |C|_1. */
const CODEWORDS: usize = 16;

/** Pairs of values; an odd d is padded with a zero. */
// @ts-ignore: decorator
@inline
function pairsOf(d: i32): i32 {
  return (d + 1) >> 1;
}

/** Bytes of the codebook that {@link prepareCodebook} makes, for d up to {@link INT16_MAX_DIMENSION}. */
export function preparedBytes(k: i32, d: i32): i32 {
  const padded = (k + BLOCK - 1) & ~(BLOCK - 1);
  return <i32>CODEWORDS + padded * 4 * (1 + pairsOf(d));
}

/** Largest |C| of a value, so that |h| + |X.C| <= d (32767 |C| + |C|^2 / 2) stays below 2^31. */
// @ts-ignore: decorator
@inline
function codewordLimit(d: i32): f64 {
  return d <= 6 ? 8192 : 4096;
}

/**
 * Writes a codebook as integers: for every codeword h and the pairs of -C, in blocks of 8; what is
 * missing to the last block is further away than anything.
 *
 * Arguments: codebook [k, d], prepared, k, d. One chunk.
 */
export function prepareCodebook(args: usize, begin: i32, end: i32): void {
  if (begin >= end) return;
  const codebook = load<usize>(args);
  const prepared = load<usize>(args, 4);
  const k = load<i32>(args, 8);
  const d = load<i32>(args, 12);
  const values = codebook + (<usize>(k * d) << 2);
  let largest: f32 = 0;
  for (let p = codebook; p < values; p += 4) largest = max(largest, abs(load<f32>(p)));
  const scale = <f32>(codewordLimit(d) / largest);
  // Outside of this range float32 products of scale and values could underflow or overflow.
  const usable = largest > 1e-30 && largest < 1e30;
  store<f32>(prepared, usable ? scale : 0);
  if (!usable) return;
  let largestSum = 0;
  let out = prepared + CODEWORDS;
  for (let c = codebook; c < values; c += <usize>d << 2) {
    let square: f64 = 0;
    let sum = 0;
    for (let a = 0; a < d; a++) {
      const value = <f64>load<f32>(c + (<usize>a << 2)) * <f64>scale;
      const integer = <i32>nearest(value);
      square += value * value;
      sum += abs(integer);
      store<i16>(out + 4 + (<usize>a << 1), -integer);
    }
    if (d & 1) store<i16>(out + 4 + (<usize>d << 1), 0);
    store<i32>(out, <i32>nearest(square / 2));
    largestSum = max(largestSum, sum);
    out += <usize>(1 + pairsOf(d)) << 2;
  }
  store<i32>(prepared, largestSum, 4);
  const stop = prepared + <usize>preparedBytes(k, d);
  memory.fill(out, 0, stop - out);
  for (; out < stop; out += <usize>(1 + pairsOf(d)) << 2) store<i32>(out, i32.MAX_VALUE);
}

/**
 * Writes 8 rows as integers, [pairs, 8] of 32 bits, and behind them, int32 [8], how much above the
 * smallest computed score of a row the smallest true one can be computed.
 *
 * @param tile float32 [d, 8]
 * @returns false where a value is too large for the codebook's scale
 */
export function int16Tile(tile: usize, d: i32, prepared: usize, out: usize): bool {
  const scale = v128.load32_splat(prepared);
  const pairs = pairsOf(d);
  const low = i32x4.splat(0xffff);
  let sum0 = i32x4.splat(0);
  let sum1 = i32x4.splat(0);
  let largest = i32x4.splat(0);
  for (let pair = 0; pair < pairs; pair++) {
    const a = tile + (<usize>pair << 6);
    let x0 = f32x4.nearest(f32x4.mul(v128.load(a), scale));
    let x1 = f32x4.nearest(f32x4.mul(v128.load(a, 16), scale));
    x0 = i32x4.trunc_sat_f32x4_s(x0);
    x1 = i32x4.trunc_sat_f32x4_s(x1);
    let y0 = i32x4.splat(0);
    let y1 = i32x4.splat(0);
    if (2 * pair + 1 < d) {
      y0 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(a, 32), scale)));
      y1 = i32x4.trunc_sat_f32x4_s(f32x4.nearest(f32x4.mul(v128.load(a, 48), scale)));
    }
    const p = out + (<usize>pair << 5);
    v128.store(p, v128.or(v128.and(x0, low), i32x4.shl(y0, 16)));
    v128.store(p, v128.or(v128.and(x1, low), i32x4.shl(y1, 16)), 16);
    x0 = i32x4.abs(x0);
    x1 = i32x4.abs(x1);
    y0 = i32x4.abs(y0);
    y1 = i32x4.abs(y1);
    largest = i32x4.max_u(largest, i32x4.max_u(i32x4.max_u(x0, x1), i32x4.max_u(y0, y1)));
    sum0 = i32x4.add(sum0, i32x4.add(x0, y0));
    sum1 = i32x4.add(sum1, i32x4.add(x1, y1));
  }
  if (v128.any_true(i32x4.gt_u(largest, i32x4.splat(32767)))) return false;
  // Two scores are compared, so twice the error: 1.02 (...) + 2, and what the shift cuts off.
  const common = i32x4.splat(load<i32>(prepared, 4) + d);
  sum0 = i32x4.add(sum0, common);
  sum1 = i32x4.add(sum1, common);
  const errors = out + (<usize>pairs << 5);
  v128.store(errors, i32x4.add(i32x4.add(sum0, i32x4.shr_u(sum0, 5)), i32x4.splat(4)));
  v128.store(errors, i32x4.add(i32x4.add(sum1, i32x4.shr_u(sum1, 5)), i32x4.splat(4)), 16);
  return true;
}

/** Where {@link int16Tile} puts the errors. */
// @ts-ignore: decorator
@inline
export function int16Errors(out: usize, d: i32): usize {
  return out + (<usize>pairsOf(d) << 5);
}

/**
 * The smallest score of each row in blocks `first` to `last - 1` of a prepared codebook.
 *
 * @param rows what {@link int16Tile} wrote
 * @param minima int32 [last - first, 8], written
 */
export function int16Minima(
  rows: usize,
  prepared: usize,
  d: i32,
  first: i32,
  last: i32,
  minima: usize,
): void {
  const pairs = pairsOf(d);
  const blockBytes = <usize>(1 + pairs) << 5;
  const from = prepared + CODEWORDS + <usize>first * blockBytes;
  const stop = from + <usize>(last - first) * blockBytes;
  if (pairs == 1) minima1(rows, from, stop, minima);
  else if (pairs == 2) minima2(rows, from, stop, minima);
  else if (pairs == 4) minima4(rows, from, stop, minima);
  else minimaAny(rows, from, stop, pairs, minima);
}

// Loops of one codeword: unrolled further, V8 loads ahead until it runs out of registers.

function minima1(rows: usize, from: usize, stop: usize, minima: usize): void {
  const x0 = v128.load(rows);
  const x1 = v128.load(rows, 16);
  for (; from < stop; minima += 32) {
    let least0 = i32x4.splat(i32.MAX_VALUE);
    let least1 = i32x4.splat(i32.MAX_VALUE);
    for (const end = from + 64; from < end; from += 8) {
      const h = v128.load32_splat(from);
      const c = v128.load32_splat(from, 4);
      least0 = i32x4.min_s(least0, i32x4.add(h, i32x4.dot_i16x8_s(x0, c)));
      least1 = i32x4.min_s(least1, i32x4.add(h, i32x4.dot_i16x8_s(x1, c)));
    }
    v128.store(minima, least0);
    v128.store(minima, least1, 16);
  }
}

function minima2(rows: usize, from: usize, stop: usize, minima: usize): void {
  const x0 = v128.load(rows);
  const x1 = v128.load(rows, 16);
  const y0 = v128.load(rows, 32);
  const y1 = v128.load(rows, 48);
  for (; from < stop; minima += 32) {
    let least0 = i32x4.splat(i32.MAX_VALUE);
    let least1 = i32x4.splat(i32.MAX_VALUE);
    for (const end = from + 96; from < end; from += 12) {
      const h = v128.load32_splat(from);
      const c = v128.load32_splat(from, 4);
      const e = v128.load32_splat(from, 8);
      const s0 = i32x4.add(h, i32x4.dot_i16x8_s(x0, c));
      const s1 = i32x4.add(h, i32x4.dot_i16x8_s(x1, c));
      least0 = i32x4.min_s(least0, i32x4.add(s0, i32x4.dot_i16x8_s(y0, e)));
      least1 = i32x4.min_s(least1, i32x4.add(s1, i32x4.dot_i16x8_s(y1, e)));
    }
    v128.store(minima, least0);
    v128.store(minima, least1, 16);
  }
}

function minima4(rows: usize, from: usize, stop: usize, minima: usize): void {
  for (let half: usize = 0; half < 32; half += 16) {
    const x = v128.load(rows + half);
    const y = v128.load(rows + half, 32);
    const z = v128.load(rows + half, 64);
    const w = v128.load(rows + half, 96);
    let out = minima + half;
    for (let block = from; block < stop; out += 32) {
      let least = i32x4.splat(i32.MAX_VALUE);
      for (const end = block + 160; block < end; block += 20) {
        const s = i32x4.add(
          v128.load32_splat(block),
          i32x4.dot_i16x8_s(x, v128.load32_splat(block, 4)),
        );
        const t = i32x4.add(
          i32x4.dot_i16x8_s(y, v128.load32_splat(block, 8)),
          i32x4.dot_i16x8_s(z, v128.load32_splat(block, 12)),
        );
        const u = i32x4.dot_i16x8_s(w, v128.load32_splat(block, 16));
        least = i32x4.min_s(least, i32x4.add(i32x4.add(s, t), u));
      }
      v128.store(out, least);
    }
  }
}

function minimaAny(rows: usize, from: usize, stop: usize, pairs: i32, minima: usize): void {
  const bytes = <usize>pairs << 2;
  for (; from < stop; minima += 32) {
    let least0 = i32x4.splat(i32.MAX_VALUE);
    let least1 = i32x4.splat(i32.MAX_VALUE);
    for (let j = 0; j < BLOCK; j++) {
      let s0 = v128.load32_splat(from);
      let s1 = s0;
      from += 4;
      for (let x = rows, end = from + bytes; from < end; from += 4, x += 32) {
        const c = v128.load32_splat(from);
        s0 = i32x4.add(s0, i32x4.dot_i16x8_s(v128.load(x), c));
        s1 = i32x4.add(s1, i32x4.dot_i16x8_s(v128.load(x, 16), c));
      }
      least0 = i32x4.min_s(least0, s0);
      least1 = i32x4.min_s(least1, s1);
    }
    v128.store(minima, least0);
    v128.store(minima, least1, 16);
  }
}
