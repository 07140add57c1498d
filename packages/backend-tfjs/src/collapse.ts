import type { Shape } from '@vq4dit/core';

/**
 * TensorFlow.js kernels stop at rank 4 to 6. These functions say the same operation with as few
 * axes as it needs: axes that stay together become one, axes of size 1 vanish.
 */

/** Shapes for an elementwise operation with broadcasting. */
export function collapseBroadcast(a: Shape, b: Shape, out: Shape): { a: number[]; b: number[] } {
  const shapeA: number[] = [];
  const shapeB: number[] = [];
  let last = '';
  for (let axis = 0; axis < out.length; axis++) {
    if (out[axis] === 1) continue;
    const dimA = a[a.length - out.length + axis] ?? 1;
    const dimB = b[b.length - out.length + axis] ?? 1;
    const kind = dimA === dimB ? 'both' : dimA === 1 ? 'b' : 'a';
    if (kind === last) {
      shapeA[shapeA.length - 1]! *= dimA;
      shapeB[shapeB.length - 1]! *= dimB;
    } else {
      shapeA.push(dimA);
      shapeB.push(dimB);
      last = kind;
    }
  }
  return { a: shapeA, b: shapeB };
}

/** Shape and axes of the smallest permutation that moves the elements in the same way. */
export function collapsePermute(
  shape: Shape,
  axes: readonly number[],
): { shape: number[]; axes: number[] } {
  // Runs of axes that follow each other before and after.
  const runs: { first: number; next: number; size: number }[] = [];
  for (const axis of axes) {
    if (shape[axis] === 1) continue;
    const run = runs.at(-1);
    let from = run?.next ?? -1;
    while (run && from < axis && shape[from] === 1) from++;
    if (run && from === axis) {
      run.size *= shape[axis]!;
      run.next = axis + 1;
    } else {
      runs.push({ first: axis, next: axis + 1, size: shape[axis]! });
    }
  }
  const sorted = [...runs].sort((x, y) => x.first - y.first);
  return {
    shape: sorted.map((run) => run.size),
    axes: runs.map((run) => sorted.indexOf(run)),
  };
}

/** A block of a tensor, said with as few axes as possible: axes taken whole join the one before. */
export function collapseSlice(
  shape: Shape,
  begin: readonly number[],
  size: readonly number[],
): { shape: number[]; begin: number[]; size: number[] } {
  const out = { shape: [1], begin: [0], size: [1] };
  for (let axis = 0; axis < shape.length; axis++) {
    const last = out.shape.length - 1;
    const whole = size[axis] === shape[axis];
    if (whole || out.shape[last] === 1) {
      out.begin[last] = out.begin[last]! * shape[axis]! + begin[axis]!;
      out.size[last] = whole ? out.size[last]! * shape[axis]! : size[axis]!;
      out.shape[last]! *= shape[axis]!;
    } else {
      out.shape.push(shape[axis]!);
      out.begin.push(begin[axis]!);
      out.size.push(size[axis]!);
    }
  }
  return out;
}
