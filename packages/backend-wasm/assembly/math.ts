/**
 * Functions that no instruction computes, in four float32 lanes at once. Each reduces its argument,
 * evaluates a polynomial and puts the result together again. The coefficients are minimax fits
 * (Remez, of the relative error of the whole function); errors are below 3 units in the
 * last place, which the tests measure.
 *
 * Inline functions, for use inside other kernels; this file exports no kernel.
 */
import { fma } from './simd';

/** 1.5 * 2^23: adding it rounds a small float32 to an integer, kept in the low bits of the sum. */
const ROUND: f32 = 12582912;
const ROUND_BITS: i32 = 0x4b400000;
const LOG2_E: f32 = 1.44269504088896341;
/** log 2 in two parts; the first has 16 bits, so that its product with an exponent is exact. */
const LN2_HIGH: f32 = 0.693145751953125;
const LN2_LOW: f32 = 1.428606765330187e-6;

/** e^r - 1 for |r| <= log(2) / 2. */
// @ts-ignore: decorator
@inline
function expm1Reduced(r: v128): v128 {
  let q = f32x4.splat(0.0013882505522894771);
  q = fma(q, r, f32x4.splat(0.008366580283103608));
  q = fma(q, r, f32x4.splat(0.04166720184217583));
  q = fma(q, r, f32x4.splat(0.16666543178852167));
  q = fma(q, r, f32x4.splat(0.49999998143991575));
  return fma(f32x4.mul(r, r), q, r);
}

/** x - n log 2. */
// @ts-ignore: decorator
@inline
function subtractPowers(x: v128, n: v128): v128 {
  return fma(n, f32x4.splat(-LN2_LOW), fma(n, f32x4.splat(-LN2_HIGH), x));
}

/**
 * e^x. Above 88.72 infinity, below -103.97 zero, denormal between -103.97 and -87.33; NaN stays.
 */
// @ts-ignore: decorator
@inline
export function exp_v128(x: v128): v128 {
  // pmin and pmax give their second operand only if it is the smaller or larger: NaN passes.
  const y = f32x4.pmax(f32x4.pmin(x, f32x4.splat(89)), f32x4.splat(-104));
  const t = fma(y, f32x4.splat(LOG2_E), f32x4.splat(ROUND));
  const r = subtractPowers(y, f32x4.sub(t, f32x4.splat(ROUND)));
  const p = f32x4.add(expm1Reduced(r), f32x4.splat(1));
  // 2^n is out of range at both ends, so it is multiplied in two halves; only the last one rounds.
  const n = i32x4.sub(t, i32x4.splat(ROUND_BITS));
  const half = i32x4.shr_s(n, 1);
  const rest = i32x4.sub(n, half);
  const first = i32x4.shl(i32x4.add(half, i32x4.splat(127)), 23);
  const second = i32x4.shl(i32x4.add(rest, i32x4.splat(127)), 23);
  return f32x4.mul(f32x4.mul(p, first), second);
}

/** e^x for x <= 0 (or NaN), with fewer instructions than {@link exp_v128} and the same results. */
// @ts-ignore: decorator
@inline
export function exp_nonpositive_v128(x: v128): v128 {
  const y = f32x4.pmax(x, f32x4.splat(-104));
  // The low bits of the sum become n + 127 + 64, the exponent of 2^(n + 64): never out of range.
  const round = f32x4.splat(ROUND + 127 + 64);
  const t = fma(y, f32x4.splat(LOG2_E), round);
  const r = subtractPowers(y, f32x4.sub(t, round));
  const p = f32x4.add(expm1Reduced(r), f32x4.splat(1));
  return f32x4.mul(f32x4.mul(p, i32x4.shl(t, 23)), f32x4.splat(5.421010862427522e-20)); // 2^-64
}

/** Natural logarithm: 0 gives -infinity, negative numbers give NaN, infinity and NaN stay. */
// @ts-ignore: decorator
@inline
export function log_v128(x: v128): v128 {
  const isDenormal = f32x4.lt(x, f32x4.splat(1.1754943508222875e-38));
  const y = v128.bitselect(f32x4.mul(x, f32x4.splat(8388608)), x, isDenormal);
  // x = 2^n m with m from sqrt(1/2) to sqrt(2), where the bits of float32 sqrt(1/2) are 0x3f3504f3.
  const e = i32x4.shr_s(i32x4.sub(y, i32x4.splat(0x3f3504f3)), 23);
  const m = i32x4.sub(y, i32x4.shl(e, 23));
  const n = f32x4.convert_i32x4_s(
    i32x4.sub(e, v128.and(isDenormal, i32x4.splat(23))),
  );
  // log(1 + f) = 2 s + s z R(z) with s = f / (2 + f) and z = s^2; written so that f stays exact.
  const f = f32x4.sub(m, f32x4.splat(1));
  const s = f32x4.div(f, f32x4.add(f, f32x4.splat(2)));
  const z = f32x4.mul(s, s);
  let q = f32x4.splat(0.29873072309088977);
  q = fma(q, z, f32x4.splat(0.39977495625356574));
  q = fma(q, z, f32x4.splat(0.6666677671658284));
  const square = f32x4.mul(f32x4.mul(f, f32x4.splat(0.5)), f);
  const correction = fma(n, f32x4.splat(LN2_LOW), f32x4.mul(s, fma(z, q, square)));
  const small = f32x4.sub(f, f32x4.sub(square, correction));
  const result = fma(n, f32x4.splat(LN2_HIGH), small);

  const isZero = f32x4.eq(x, f32x4.splat(0));
  const special = v128.bitselect(
    f32x4.splat(-Infinity),
    // Infinity and NaN as they are; a negative number becomes NaN.
    v128.bitselect(f32x4.splat(NaN), x, f32x4.lt(x, f32x4.splat(0))),
    isZero,
  );
  // False for NaN as well.
  const isOrdinary = v128.and(
    f32x4.gt(x, f32x4.splat(0)),
    f32x4.lt(x, f32x4.splat(Infinity)),
  );
  return v128.bitselect(result, special, isOrdinary);
}

/** tanh x = (e^2x - 1) / (e^2x + 1) of |x|, through e^2x - 1 so that small x loses nothing. */
// @ts-ignore: decorator
@inline
export function tanh_v128(x: v128): v128 {
  // tanh 10 is 1 in float32.
  const size = f32x4.pmin(f32x4.abs(x), f32x4.splat(10));
  const y = f32x4.add(size, size);
  const round = f32x4.splat(ROUND + 127);
  const t = fma(y, f32x4.splat(LOG2_E), round);
  const p = expm1Reduced(subtractPowers(y, f32x4.sub(t, round)));
  const scale = i32x4.shl(t, 23);
  const e = fma(p, scale, f32x4.sub(scale, f32x4.splat(1)));
  const result = f32x4.div(e, f32x4.add(e, f32x4.splat(2)));
  return v128.or(result, v128.and(x, f32x4.splat(-0.0)));
}

/** e^-|x|, which never overflows. */
// @ts-ignore: decorator
@inline
function expOfMinusSize(x: v128): v128 {
  return exp_nonpositive_v128(v128.or(x, f32x4.splat(-0.0)));
}

/** x >= 0 ? 1 : e; NaN counts as positive, which is right as e is NaN too. */
// @ts-ignore: decorator
@inline
function oneOr(e: v128, x: v128): v128 {
  return v128.bitselect(e, f32x4.splat(1), f32x4.lt(x, f32x4.splat(0)));
}

/** 1 / (1 + e^-x). */
// @ts-ignore: decorator
@inline
export function sigmoid_v128(x: v128): v128 {
  const e = expOfMinusSize(x);
  return f32x4.div(oneOr(e, x), f32x4.add(e, f32x4.splat(1)));
}

/** x sigmoid(x). */
// @ts-ignore: decorator
@inline
export function silu_v128(x: v128): v128 {
  const e = expOfMinusSize(x);
  return f32x4.div(f32x4.mul(x, oneOr(e, x)), f32x4.add(e, f32x4.splat(1)));
}

/** GELU with the tanh approximation, as x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)). */
// @ts-ignore: decorator
@inline
export function gelu_v128(x: v128): v128 {
  const inner = fma(
    f32x4.mul(x, x),
    f32x4.splat(0.07135481627260025),
    f32x4.splat(1.5957691216057308),
  );
  const e = expOfMinusSize(f32x4.mul(x, inner));
  return f32x4.div(f32x4.mul(x, oneOr(e, x)), f32x4.add(e, f32x4.splat(1)));
}
