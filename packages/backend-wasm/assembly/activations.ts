import { exp_nonpositive_v128, gelu_v128, silu_v128 } from './math';
import { fma } from './simd';

const ONE = memory.data<f32>([1]);
const SIGN_BIT = memory.data<f32>([-0.0]);

// @ts-ignore: decorator
@inline
function lanes(constant: usize): v128 {
  return v128.load32_splat(constant);
}

/** args: x, out, count, elements per chunk */
export function gelu(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args), out = load<usize>(args, 4);
  const count = load<i32>(args, 8), perChunk = load<i32>(args, 12);
  const first = <usize>begin * perChunk << 2;
  const last = min<usize>(<usize>end * perChunk, count) << 2;
  let i = first;
  for (; i + 64 <= last; i += 64) {
    const a = gelu_v128(v128.load(x + i)), b = gelu_v128(v128.load(x + i, 16));
    const c = gelu_v128(v128.load(x + i, 32)), d = gelu_v128(v128.load(x + i, 48));
    v128.store(out + i, a); v128.store(out + i, b, 16);
    v128.store(out + i, c, 32); v128.store(out + i, d, 48);
  }
  for (; i < last; i += 4) v128.store32_lane(out + i, gelu_v128(v128.load32_splat(x + i)), 0);
}

/** args: x, out, count, elements per chunk */
export function silu(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args), out = load<usize>(args, 4);
  const count = load<i32>(args, 8), perChunk = load<i32>(args, 12);
  const first = <usize>begin * perChunk << 2;
  const last = min<usize>(<usize>end * perChunk, count) << 2;
  let i = first;
  for (; i + 64 <= last; i += 64) {
    const a = silu_v128(v128.load(x + i)), b = silu_v128(v128.load(x + i, 16));
    const c = silu_v128(v128.load(x + i, 32)), d = silu_v128(v128.load(x + i, 48));
    v128.store(out + i, a); v128.store(out + i, b, 16);
    v128.store(out + i, c, 32); v128.store(out + i, d, 48);
  }
  for (; i < last; i += 4) v128.store32_lane(out + i, silu_v128(v128.load32_splat(x + i)), 0);
}

/** Beyond this both derivatives are 0 or 1 in float32, and products with infinity are avoided. */
const GELU_BOUND = memory.data<f32>([32]);
const MINUS_GELU_BOUND = memory.data<f32>([-32]);
const SILU_BOUND = memory.data<f32>([128]);
const MINUS_SILU_BOUND = memory.data<f32>([-128]);

/** 2 sqrt(2 / pi), alone, times 0.044715, and that times 3. */
const GELU_LINEAR = memory.data<f32>([1.5957691216057308]);
const GELU_CUBIC = memory.data<f32>([0.07135481627260025]);
const GELU_CUBIC_3 = memory.data<f32>([0.21406444881780075]);

/**
 * s + x v' s (1 - s) with s = sigmoid(v), given e = e^-|v|: then s is 1 / (1 + e) or e / (1 + e),
 * and s (1 - s) is e / (1 + e)^2, which loses nothing where s is close to 1. v has the sign of x.
 */
// @ts-ignore: decorator
@inline
function gateDerivative(x: v128, slope: v128, e: v128): v128 {
  const r = f32x4.div(lanes(ONE), f32x4.add(e, lanes(ONE)));
  const s = v128.bitselect(e, lanes(ONE), f32x4.lt(x, f32x4.splat(0)));
  return f32x4.mul(r, fma(f32x4.mul(x, slope), f32x4.mul(e, r), s));
}

/** The derivative of x sigmoid(v(x)), v = 2 sqrt(2 / pi) (x + 0.044715 x^3). */
// @ts-ignore: decorator
@inline
function geluDerivative(given: v128): v128 {
  const x = f32x4.pmax(f32x4.pmin(given, lanes(GELU_BOUND)), lanes(MINUS_GELU_BOUND));
  const square = f32x4.mul(x, x);
  const v = f32x4.mul(x, fma(square, lanes(GELU_CUBIC), lanes(GELU_LINEAR)));
  const e = exp_nonpositive_v128(v128.or(v, lanes(SIGN_BIT)));
  return gateDerivative(x, fma(square, lanes(GELU_CUBIC_3), lanes(GELU_LINEAR)), e);
}

/** The derivative of x sigmoid(x). */
// @ts-ignore: decorator
@inline
function siluDerivative(given: v128): v128 {
  const x = f32x4.pmax(f32x4.pmin(given, lanes(SILU_BOUND)), lanes(MINUS_SILU_BOUND));
  return gateDerivative(x, lanes(ONE), exp_nonpositive_v128(v128.or(x, lanes(SIGN_BIT))));
}

/** args: x, grad, out, count, elements per chunk */
export function geluGrad(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args), grad = load<usize>(args, 4), out = load<usize>(args, 8);
  const count = load<i32>(args, 12), perChunk = load<i32>(args, 16);
  const first = <usize>begin * perChunk << 2;
  const last = min<usize>(<usize>end * perChunk, count) << 2;
  let i = first;
  for (; i + 32 <= last; i += 32) {
    const a = geluDerivative(v128.load(x + i)), b = geluDerivative(v128.load(x + i, 16));
    v128.store(out + i, f32x4.mul(v128.load(grad + i), a));
    v128.store(out + i, f32x4.mul(v128.load(grad + i, 16), b), 16);
  }
  for (; i < last; i += 4) {
    const a = geluDerivative(v128.load32_splat(x + i));
    v128.store32_lane(out + i, f32x4.mul(v128.load32_splat(grad + i), a), 0);
  }
}

/** args: x, grad, out, count, elements per chunk */
export function siluGrad(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args), grad = load<usize>(args, 4), out = load<usize>(args, 8);
  const count = load<i32>(args, 12), perChunk = load<i32>(args, 16);
  const first = <usize>begin * perChunk << 2;
  const last = min<usize>(<usize>end * perChunk, count) << 2;
  let i = first;
  for (; i + 32 <= last; i += 32) {
    const a = siluDerivative(v128.load(x + i)), b = siluDerivative(v128.load(x + i, 16));
    v128.store(out + i, f32x4.mul(v128.load(grad + i), a));
    v128.store(out + i, f32x4.mul(v128.load(grad + i, 16), b), 16);
  }
  for (; i < last; i += 4) {
    const a = siluDerivative(v128.load32_splat(x + i));
    v128.store32_lane(out + i, f32x4.mul(v128.load32_splat(grad + i), a), 0);
  }
}
