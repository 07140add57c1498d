import type { BinaryOp, KernelTensor, Shape, UnaryOp } from '@vq4dit/core';
import { sizeOf } from '@vq4dit/core';
import { coordinates } from './indexing.ts';
import type { Allocator, Values } from './storage.ts';

const UNARY: Readonly<Record<UnaryOp, (x: number) => number>> = {
  neg: (x) => -x,
  abs: Math.abs,
  sign: Math.sign,
  exp: Math.exp,
  log: Math.log,
  sqrt: Math.sqrt,
  square: (x) => x * x,
  reciprocal: (x) => 1 / x,
  sin: Math.sin,
  cos: Math.cos,
  tanh: Math.tanh,
  sigmoid: (x) => 1 / (1 + Math.exp(-x)),
};

const BINARY: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  greater: (a, b) => (a > b ? 1 : 0),
};

export function unary(alloc: Allocator, op: UnaryOp, x: KernelTensor<Values>): Values {
  const f = UNARY[op];
  const out = alloc.float(x.handle.length);
  for (let i = 0; i < out.length; i++) out[i] = f(x.handle[i]!);
  return out;
}

export function binary(
  alloc: Allocator,
  op: BinaryOp,
  a: KernelTensor<Values>,
  b: KernelTensor<Values>,
  shape: Shape,
): Values {
  const f = BINARY[op];
  const out = alloc.float(sizeOf(shape));
  const indexA = coordinates(shape, broadcastStrides(a.shape, shape));
  const indexB = coordinates(shape, broadcastStrides(b.shape, shape));
  for (let i = 0; i < out.length; i++) out[i] = f(a.handle[indexA(i)]!, b.handle[indexB(i)]!);
  return out;
}

/** Strides of `from` seen as `to`: a stretched axis does not move. */
function broadcastStrides(from: Shape, to: Shape): number[] {
  const strides = new Array<number>(to.length).fill(0);
  let stride = 1;
  for (let i = from.length - 1; i >= 0; i--) {
    if (from[i] !== 1) strides[to.length - from.length + i] = stride;
    stride *= from[i]!;
  }
  return strides;
}
