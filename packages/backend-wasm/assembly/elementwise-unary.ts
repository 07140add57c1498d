/**
 * The contract's functions of one tensor. Each is a kernel of its own with the arguments x, out,
 * elements, and elements per chunk.
 */
import { exp_v128, log_v128, sigmoid_v128, tanh_v128 } from './math';
import { sine_v128 } from './math-sine';

const ONE = memory.data<f32>([1]);
const SIGN_BIT = memory.data<f32>([-0.0]);

const NEG = 0;
const ABS = 1;
const SIGN = 2;
const EXP = 3;
const LOG = 4;
const SQRT = 5;
const SQUARE = 6;
const RECIPROCAL = 7;
const SIN = 8;
const COS = 9;
const TANH = 10;
const SIGMOID = 11;

/** The choice is made at compile time: `op` is a constant wherever this is used. */
// @ts-ignore: decorator
@inline
function apply(op: i32, x: v128): v128 {
  if (op == NEG) return f32x4.neg(x);
  if (op == ABS) return f32x4.abs(x);
  if (op == SIGN) return sign(x);
  if (op == EXP) return exp_v128(x);
  if (op == LOG) return log_v128(x);
  if (op == SQRT) return f32x4.sqrt(x);
  if (op == SQUARE) return f32x4.mul(x, x);
  if (op == RECIPROCAL) return f32x4.div(v128.load32_splat(ONE), x);
  if (op == SIN) return sine_v128(x, 0);
  if (op == COS) return sine_v128(x, 1);
  if (op == TANH) return tanh_v128(x);
  return sigmoid_v128(x);
}

/** 1 with the sign of x; but x itself where it is 0 or NaN. */
// @ts-ignore: decorator
@inline
function sign(x: v128): v128 {
  const signBit = v128.load32_splat(SIGN_BIT);
  const one = v128.or(v128.load32_splat(ONE), v128.and(x, signBit));
  return v128.bitselect(one, x, f32x4.gt(f32x4.abs(x), f32x4.splat(0)));
}

/** Stores come after all loads of a turn, so that constants are loaded once for four vectors. */
// @ts-ignore: decorator
@inline
function map(op: i32, args: usize, begin: i32, end: i32): void {
  const count = load<i32>(args, 8);
  const perChunk = load<i32>(args, 12);
  const first = begin * perChunk;
  const last = min(end * perChunk, count);
  let x = load<usize>(args) + (<usize>first << 2);
  let y = load<usize>(args, 4) + (<usize>first << 2);
  let left = last - first;
  for (; left >= 16; left -= 16) {
    const a = apply(op, v128.load(x));
    const b = apply(op, v128.load(x, 16));
    const c = apply(op, v128.load(x, 32));
    const d = apply(op, v128.load(x, 48));
    v128.store(y, a);
    v128.store(y, b, 16);
    v128.store(y, c, 32);
    v128.store(y, d, 48);
    x += 64;
    y += 64;
  }
  for (; left > 0; left--) {
    v128.store32_lane(y, apply(op, v128.load32_splat(x)), 0);
    x += 4;
    y += 4;
  }
}

export function unary_neg(args: usize, begin: i32, end: i32): void {
  map(NEG, args, begin, end);
}

export function unary_abs(args: usize, begin: i32, end: i32): void {
  map(ABS, args, begin, end);
}

export function unary_sign(args: usize, begin: i32, end: i32): void {
  map(SIGN, args, begin, end);
}

export function unary_exp(args: usize, begin: i32, end: i32): void {
  map(EXP, args, begin, end);
}

export function unary_log(args: usize, begin: i32, end: i32): void {
  map(LOG, args, begin, end);
}

export function unary_sqrt(args: usize, begin: i32, end: i32): void {
  map(SQRT, args, begin, end);
}

export function unary_square(args: usize, begin: i32, end: i32): void {
  map(SQUARE, args, begin, end);
}

export function unary_reciprocal(args: usize, begin: i32, end: i32): void {
  map(RECIPROCAL, args, begin, end);
}

export function unary_sin(args: usize, begin: i32, end: i32): void {
  map(SIN, args, begin, end);
}

export function unary_cos(args: usize, begin: i32, end: i32): void {
  map(COS, args, begin, end);
}

export function unary_tanh(args: usize, begin: i32, end: i32): void {
  map(TANH, args, begin, end);
}

export function unary_sigmoid(args: usize, begin: i32, end: i32): void {
  map(SIGMOID, args, begin, end);
}
