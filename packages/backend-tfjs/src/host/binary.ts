import type { BinaryOp } from '@vq4dit/core';
import type { HostMemory, Kernel } from '../device.ts';
import type { HostValues, TensorInfo } from '../tf.ts';

const FUNCTIONS = {
  maximum: Math.max,
  minimum: Math.min,
  greater: (a: number, b: number) => (a > b ? 1 : 0),
} satisfies Partial<Record<BinaryOp, (a: number, b: number) => number>>;

/** An elementwise function of two tensors, as a loop. `shapes` have equal ranks. */
export function binaryLoop(
  host: HostMemory,
  op: keyof typeof FUNCTIONS,
  a: Kernel,
  b: Kernel,
  shapes: { readonly a: readonly number[]; readonly b: readonly number[] },
): TensorInfo {
  const f = FUNCTIONS[op];
  const shape = shapes.a.map((dim, axis) => Math.max(dim, shapes.b[axis]!));
  const info = host.allocate(shape, 'float32');
  const out = host.values(info);
  const valuesA = host.values(a.handle);
  const valuesB = host.values(b.handle);
  const stridesA = strides(shapes.a);
  const stridesB = strides(shapes.b);
  let at = 0;
  function visit(axis: number, offsetA: number, offsetB: number): void {
    const stepA = stridesA[axis] ?? 0;
    const stepB = stridesB[axis] ?? 0;
    const count = shape[axis] ?? 1;
    if (axis < shape.length - 1) {
      for (let i = 0; i < count; i++) visit(axis + 1, offsetA + i * stepA, offsetB + i * stepB);
      return;
    }
    row(f, valuesA, offsetA, stepA, valuesB, offsetB, stepB, out, at, count);
    at += count;
  }
  visit(0, 0, 0);
  return info;
}

function row(
  f: (a: number, b: number) => number,
  a: HostValues,
  offsetA: number,
  stepA: number,
  b: HostValues,
  offsetB: number,
  stepB: number,
  out: HostValues,
  at: number,
  count: number,
): void {
  for (let i = 0; i < count; i++) {
    out[at + i] = f(a[offsetA + i * stepA]!, b[offsetB + i * stepB]!);
  }
}

/** Row-major strides; an axis of size 1 is stretched, so it does not move. */
function strides(shape: readonly number[]): number[] {
  const out = new Array<number>(shape.length).fill(0);
  let stride = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1) out[axis] = stride;
    stride *= shape[axis]!;
  }
  return out;
}
