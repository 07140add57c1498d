/**
 * Sine and cosine in four float32 lanes. The argument is reduced in float64, and with a long 2 / pi
 * where it is huge, so that every finite float32 gives the right result to 2 units in the last place.
 */
import { fma } from './simd';

const TWO_OVER_PI: f64 = 0.6366197723675814;
/** 1.5 * 2^52: adding it rounds a float64 to an integer, kept in the low bits of the sum. */
const ROUND: f64 = 6755399441055744;
/** pi / 2 in two parts; the first has 25 bits, so that its product with n < 2^27 is exact. */
const HALF_PI_HIGH: f64 = 1.5707963109016418;
const HALF_PI_LOW: f64 = 1.5893254773528196e-8;
/** 2^27. */
const HUGE: f32 = 134217728;

/** sin(x + quarter pi / 2): quarter 0 gives the sine, 1 the cosine. Infinity and NaN give NaN. */
// @ts-ignore: decorator
@inline
export function sine_v128(x: v128, quarter: i32): v128 {
  const isHuge = f32x4.ge(f32x4.abs(x), f32x4.splat(HUGE));
  if (v128.any_true(isHuge)) return sineOfHuge(x, quarter);
  return sineReducing(x, quarter);
}

/** For |x| < 2^27 and NaN. */
function sineReducing(x: v128, quarter: i32): v128 {
  const low = f64x2.promote_low_f32x4(x);
  const high = f64x2.promote_low_f32x4(v128.shuffle<i64>(x, x, 1, 0));
  const round = f64x2.splat(ROUND);
  const lowTurns = f64x2.add(f64x2.mul(low, f64x2.splat(TWO_OVER_PI)), round);
  const highTurns = f64x2.add(f64x2.mul(high, f64x2.splat(TWO_OVER_PI)), round);
  const r = v128.shuffle<i64>(
    f32x4.demote_f64x2_zero(subtractTurns(low, f64x2.sub(lowTurns, round))),
    f32x4.demote_f64x2_zero(subtractTurns(high, f64x2.sub(highTurns, round))),
    0,
    2,
  );
  const n = v128.shuffle<i32>(lowTurns, highTurns, 0, 2, 4, 6);
  return sineOfQuadrant(r, i32x4.add(n, i32x4.splat(quarter)));
}

/** x - n pi / 2. */
// @ts-ignore: decorator
@inline
function subtractTurns(x: v128, n: v128): v128 {
  const first = f64x2.sub(x, f64x2.mul(n, f64x2.splat(HALF_PI_HIGH)));
  return f64x2.sub(first, f64x2.mul(n, f64x2.splat(HALF_PI_LOW)));
}

/** sin(r + n pi / 2) for |r| <= pi / 4. */
function sineOfQuadrant(r: v128, n: v128): v128 {
  const z = f32x4.mul(r, r);
  let s = fma(z, f32x4.splat(-0.00019515217877977148), f32x4.splat(0.00833216028967284));
  s = fma(z, s, f32x4.splat(-0.16666654602227532));
  const sine = fma(f32x4.mul(r, z), s, r);
  let c = fma(z, f32x4.splat(2.443308261922893e-5), f32x4.splat(-0.0013887315616485415));
  c = fma(z, c, f32x4.splat(0.04166664567017847));
  c = fma(z, c, f32x4.splat(-0.5));
  const cosine = fma(z, c, f32x4.splat(1));
  const isOdd = i32x4.shr_s(i32x4.shl(n, 31), 31);
  // The third and fourth quadrant are the first and second with the other sign.
  const sign = i32x4.shl(i32x4.shr_u(n, 1), 31);
  return v128.xor(v128.bitselect(cosine, sine, isOdd), sign);
}

/** Lane by lane, as almost nobody asks for it. */
function sineOfHuge(x: v128, quarter: i32): v128 {
  let y = v128.splat<f32>(0);
  y = f32x4.replace_lane(y, 0, sineOfOne(f32x4.extract_lane(x, 0), quarter));
  y = f32x4.replace_lane(y, 1, sineOfOne(f32x4.extract_lane(x, 1), quarter));
  y = f32x4.replace_lane(y, 2, sineOfOne(f32x4.extract_lane(x, 2), quarter));
  return f32x4.replace_lane(y, 3, sineOfOne(f32x4.extract_lane(x, 3), quarter));
}

function sineOfOne(x: f32, quarter: i32): f32 {
  if (!(abs(x) >= HUGE)) return f32x4.extract_lane(sineReducing(f32x4.splat(x), quarter), 0);
  if (abs(x) == Infinity) return NaN;
  // |x| = m 2^e with a 24-bit m and e from 4 to 104.
  const bits = reinterpret<u32>(x);
  const m = <u64>((bits & 0x7fffff) | 0x800000);
  const e = ((bits >> 23) & 0xff) - 150;
  // Bits of 2 / pi with a weight of 4 / 2^e or more only add multiples of 4 quadrants, that is whole
  // turns. The product of m and the next 96 bits is the rest, of which the upper 64 bits suffice:
  // two of them are the quadrant.
  const skipped = e - 2;
  const low = m * turnBits(skipped + 64);
  const middle = m * turnBits(skipped + 32) + (low >> 32);
  const high = m * turnBits(skipped) + (middle >> 32);
  const turns = (high << 32) | (middle & 0xffffffff);
  const n = (turns + (<u64>1 << 61)) >> 62;
  const fraction = <f64>(<i64>(turns - (n << 62))) * 3.4061215800865545e-19; // pi / 2 / 2^62
  // sin(-x) = -sin(x), cos(-x) = cos(x): the signs of r and n turn.
  const isNegative = bits >> 31 != 0;
  const r = <f32>(isNegative ? -fraction : fraction);
  const quadrant = (isNegative ? -<i32>n : <i32>n) + quarter;
  return f32x4.extract_lane(sineOfQuadrant(f32x4.splat(r), i32x4.splat(quadrant)), 0);
}

/** The first 256 bits of 2 / pi after the point. */
const TWO_OVER_PI_BITS = memory.data<u32>([
  0xa2f9836e, 0x4e441529, 0xfc2757d1, 0xf534ddc0, 0xdb629599, 0x3c439041, 0xfe5163ab, 0xdebbc561,
]);

/** 32 bits of 2 / pi from bit `from` on. */
function turnBits(from: u32): u64 {
  const word = TWO_OVER_PI_BITS + ((from >> 5) << 2);
  const pair = (<u64>load<u32>(word) << 32) | <u64>load<u32>(word, 4);
  return (pair >> (32 - (from & 31))) & 0xffffffff;
}
