/**
 * Functions that no instruction computes, in four float32 lanes at once. Each reduces its argument,
 * evaluates a polynomial and puts the result together again. The coefficients are minimax fits
 * (Remez, of the relative error of the whole function); errors are below 3 units in the last place,
 * which the tests measure.
 *
 * Inline functions, for use inside other kernels; this file exports no kernel. They run about twice
 * as fast where a loop works on two to four vectors at a time and stores after it has computed all.
 */
import { fma } from './simd';

/**
 * A constant in all four lanes, from memory: one instruction. For a constant in the code, engines
 * build the vector anew at each use, with three or more.
 */
// @ts-ignore: decorator
@inline
function lanes(constant: usize): v128 {
  return v128.load32_splat(constant);
}

const ZERO = memory.data<f32>([0]);
const ONE = memory.data<f32>([1]);
const TWO = memory.data<f32>([2]);
const HALF = memory.data<f32>([0.5]);
const SIGN_BIT = memory.data<f32>([-0.0]);

const LOG2_E = memory.data<f32>([1.44269504088896341]);
/** -log 2 in two parts; the first has 16 bits, so that its product with an exponent is exact. */
const MINUS_LN2_HIGH = memory.data<f32>([-0.693145751953125]);
const MINUS_LN2_LOW = memory.data<f32>([-1.428606765330187e-6]);

/**
 * 1.5 * 2^23: adding it rounds a small float32 x to an integer n, which the low bits of the sum
 * hold. With an offset they hold n + offset.
 */
const ROUND = memory.data<f32>([12582912]);
const ROUND_BITS = memory.data<i32>([0x4b400000]);
const ROUND_PLUS_127 = memory.data<f32>([12582912 + 127]);
const ROUND_PLUS_191 = memory.data<f32>([12582912 + 191]);
const BIAS = memory.data<i32>([127]);
const TWO_TO_MINUS_64 = memory.data<f32>([5.421010862427522e-20]);

/** Beyond these e^x is infinity and zero. */
const EXP_HIGHEST = memory.data<f32>([89]);
const EXP_LOWEST = memory.data<f32>([-104]);

/** (e^r - 1 - r) / r^2. */
const EXP_0 = memory.data<f32>([0.49999998143991575]);
const EXP_1 = memory.data<f32>([0.16666543178852167]);
const EXP_2 = memory.data<f32>([0.04166720184217583]);
const EXP_3 = memory.data<f32>([0.008366580283103608]);
const EXP_4 = memory.data<f32>([0.0013882505522894771]);

/** e^r - 1 for |r| <= log(2) / 2. */
// @ts-ignore: decorator
@inline
function expm1Reduced(r: v128): v128 {
  let q = fma(lanes(EXP_4), r, lanes(EXP_3));
  q = fma(q, r, lanes(EXP_2));
  q = fma(q, r, lanes(EXP_1));
  q = fma(q, r, lanes(EXP_0));
  return fma(f32x4.mul(r, r), q, r);
}

/** e^r for |r| <= log(2) / 2; but 0 where x underflows, as a product that does is very slow. */
// @ts-ignore: decorator
@inline
function expReduced(r: v128, x: v128): v128 {
  const p = f32x4.add(expm1Reduced(r), lanes(ONE));
  return v128.andnot(p, f32x4.lt(x, lanes(EXP_LOWEST)));
}

/** x - n log 2. */
// @ts-ignore: decorator
@inline
function subtractPowers(x: v128, n: v128): v128 {
  return fma(n, lanes(MINUS_LN2_LOW), fma(n, lanes(MINUS_LN2_HIGH), x));
}

/**
 * e^x. Above 88.72 infinity, below -103.97 zero, denormal between -103.97 and -87.33; NaN stays.
 */
// @ts-ignore: decorator
@inline
export function exp_v128(x: v128): v128 {
  // pmin and pmax give their second operand only if it is the smaller or larger: NaN passes.
  const y = f32x4.pmax(f32x4.pmin(x, lanes(EXP_HIGHEST)), lanes(EXP_LOWEST));
  const t = fma(y, lanes(LOG2_E), lanes(ROUND));
  const r = subtractPowers(y, f32x4.sub(t, lanes(ROUND)));
  const p = expReduced(r, x);
  // 2^n is out of range at both ends, so it is multiplied in two halves; only the last one rounds.
  const n = i32x4.sub(t, lanes(ROUND_BITS));
  const half = i32x4.shr_s(n, 1);
  const rest = i32x4.sub(n, half);
  const first = i32x4.shl(i32x4.add(half, lanes(BIAS)), 23);
  const second = i32x4.shl(i32x4.add(rest, lanes(BIAS)), 23);
  return f32x4.mul(f32x4.mul(p, first), second);
}

/** e^x for x <= 0 (or NaN), with fewer instructions than {@link exp_v128}. */
// @ts-ignore: decorator
@inline
export function exp_nonpositive_v128(x: v128): v128 {
  const y = f32x4.pmax(x, lanes(EXP_LOWEST));
  // The low bits become n + 127 + 64, the exponent of 2^(n + 64), which is never out of range.
  const t = fma(y, lanes(LOG2_E), lanes(ROUND_PLUS_191));
  const r = subtractPowers(y, f32x4.sub(t, lanes(ROUND_PLUS_191)));
  const p = expReduced(r, x);
  return f32x4.mul(f32x4.mul(p, i32x4.shl(t, 23)), lanes(TWO_TO_MINUS_64));
}

const SMALLEST_NORMAL = memory.data<f32>([1.1754943508222875e-38]);
const TWO_TO_23 = memory.data<f32>([8388608]);
const BITS_23 = memory.data<i32>([23]);
/** The bits of the float32 square root of 1/2. */
const SQRT_HALF_BITS = memory.data<i32>([0x3f3504f3]);
const INFINITY = memory.data<f32>([Infinity]);
const MINUS_INFINITY = memory.data<f32>([-Infinity]);
const NOT_A_NUMBER = memory.data<f32>([NaN]);

/** (log((1 + s) / (1 - s)) / s - 2) / s^2, in powers of s^2. */
const LOG_0 = memory.data<f32>([0.6666677671658284]);
const LOG_1 = memory.data<f32>([0.39977495625356574]);
const LOG_2 = memory.data<f32>([0.29873072309088977]);

/** Natural logarithm: 0 gives -infinity, negative numbers give NaN, infinity and NaN stay. */
// @ts-ignore: decorator
@inline
export function log_v128(x: v128): v128 {
  const isDenormal = f32x4.lt(x, lanes(SMALLEST_NORMAL));
  const y = v128.bitselect(f32x4.mul(x, lanes(TWO_TO_23)), x, isDenormal);
  // y = 2^e m with m from sqrt(1/2) to sqrt(2).
  const e = i32x4.shr_s(i32x4.sub(y, lanes(SQRT_HALF_BITS)), 23);
  const m = i32x4.sub(y, i32x4.shl(e, 23));
  const n = f32x4.convert_i32x4_s(i32x4.sub(e, v128.and(isDenormal, lanes(BITS_23))));
  // log(1 + f) = 2 s + s z R(z) with s = f / (2 + f) and z = s^2; written so that f stays exact.
  const f = f32x4.sub(m, lanes(ONE));
  const s = f32x4.div(f, f32x4.add(f, lanes(TWO)));
  const z = f32x4.mul(s, s);
  const q = fma(fma(lanes(LOG_2), z, lanes(LOG_1)), z, lanes(LOG_0));
  const square = f32x4.mul(f32x4.mul(f, lanes(HALF)), f);
  const tail = f32x4.sub(
    f32x4.mul(s, fma(z, q, square)),
    f32x4.mul(n, lanes(MINUS_LN2_LOW)),
  );
  const small = f32x4.sub(f, f32x4.sub(square, tail));
  const result = f32x4.sub(small, f32x4.mul(n, lanes(MINUS_LN2_HIGH)));

  // Infinity and NaN as they are; a negative number becomes NaN.
  const isNegative = f32x4.lt(x, lanes(ZERO));
  const other = v128.bitselect(lanes(NOT_A_NUMBER), x, isNegative);
  const isZero = f32x4.eq(x, lanes(ZERO));
  const special = v128.bitselect(lanes(MINUS_INFINITY), other, isZero);
  // False for NaN as well.
  const isOrdinary = v128.and(f32x4.gt(x, lanes(ZERO)), f32x4.lt(x, lanes(INFINITY)));
  return v128.bitselect(result, special, isOrdinary);
}

/** The float32 nearest to tanh 10 is 1. */
const TANH_HIGHEST = memory.data<f32>([10]);

/** tanh x = (e^2x - 1) / (e^2x + 1) of |x|, through e^2x - 1 so that small x loses nothing. */
// @ts-ignore: decorator
@inline
export function tanh_v128(x: v128): v128 {
  const size = f32x4.pmin(f32x4.abs(x), lanes(TANH_HIGHEST));
  const y = f32x4.add(size, size);
  const t = fma(y, lanes(LOG2_E), lanes(ROUND_PLUS_127));
  const p = expm1Reduced(subtractPowers(y, f32x4.sub(t, lanes(ROUND_PLUS_127))));
  const scale = i32x4.shl(t, 23);
  const e = fma(p, scale, f32x4.sub(scale, lanes(ONE)));
  const result = f32x4.div(e, f32x4.add(e, lanes(TWO)));
  return v128.or(result, v128.and(x, lanes(SIGN_BIT)));
}

/** e^-|x|, which never overflows. */
// @ts-ignore: decorator
@inline
function expOfMinusSize(x: v128): v128 {
  return exp_nonpositive_v128(v128.or(x, lanes(SIGN_BIT)));
}

/** x >= 0 ? 1 : e; NaN counts as positive, which is right as e is NaN too. */
// @ts-ignore: decorator
@inline
function oneOr(e: v128, x: v128): v128 {
  return v128.bitselect(e, lanes(ONE), f32x4.lt(x, lanes(ZERO)));
}

/** 1 / (1 + e^-x). */
// @ts-ignore: decorator
@inline
export function sigmoid_v128(x: v128): v128 {
  const e = expOfMinusSize(x);
  return f32x4.div(oneOr(e, x), f32x4.add(e, lanes(ONE)));
}

/** x sigmoid(x). */
// @ts-ignore: decorator
@inline
export function silu_v128(x: v128): v128 {
  const e = expOfMinusSize(x);
  return f32x4.div(f32x4.mul(x, oneOr(e, x)), f32x4.add(e, lanes(ONE)));
}

/** 2 sqrt(2 / pi), alone and times 0.044715. */
const GELU_LINEAR = memory.data<f32>([1.5957691216057308]);
const GELU_CUBIC = memory.data<f32>([0.07135481627260025]);

/** GELU with the tanh approximation, as x sigmoid(2 sqrt(2 / pi) (x + 0.044715 x^3)). */
// @ts-ignore: decorator
@inline
export function gelu_v128(x: v128): v128 {
  const slope = fma(f32x4.mul(x, x), lanes(GELU_CUBIC), lanes(GELU_LINEAR));
  const e = expOfMinusSize(f32x4.mul(x, slope));
  return f32x4.div(f32x4.mul(x, oneOr(e, x)), f32x4.add(e, lanes(ONE)));
}
