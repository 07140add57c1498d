import { ShapeError } from '../errors.ts';

/** Element types a backend computes with. Packed codes, f16 and bf16 are storage formats of files. */
export type DType = 'float32' | 'int32';

/** Row-major dimensions. Every dimension is at least 1; a scalar has shape []. */
export type Shape = readonly number[];

/** Number of elements. */
export function sizeOf(shape: Shape): number {
  let size = 1;
  for (const dim of shape) size *= dim;
  return size;
}

/** `[2, 3]`, as error messages write a shape. */
export function formatShape(shape: Shape): string {
  return `[${shape.join(', ')}]`;
}

/** True where rank and every dimension agree; nothing is broadcast. */
export function sameShape(a: Shape, b: Shape): boolean {
  return a.length === b.length && a.every((dim, i) => dim === b[i]);
}

/** @throws ShapeError if a dimension is not a positive safe integer. */
export function checkShape(shape: Shape, where: string): void {
  for (const dim of shape) {
    if (!Number.isSafeInteger(dim) || dim < 1) {
      throw new ShapeError(
        `${where}: shape ${formatShape(shape)} is not legal; every dimension must be a positive integer.`,
      );
    }
  }
}

/** Turns a negative axis into the one it counts from the end. @throws ShapeError */
export function resolveAxis(axis: number, rank: number, where: string): number {
  const resolved = axis < 0 ? axis + rank : axis;
  if (!Number.isInteger(axis) || resolved < 0 || resolved >= rank) {
    throw new ShapeError(`${where}: axis ${axis} does not exist in a tensor of rank ${rank}.`);
  }
  return resolved;
}

/** NumPy broadcasting: dimensions are aligned from the right, 1 stretches. @throws ShapeError */
export function broadcastShapes(a: Shape, b: Shape, where: string): number[] {
  const rank = Math.max(a.length, b.length);
  const out = new Array<number>(rank);
  for (let i = 0; i < rank; i++) {
    const dimA = a[a.length - rank + i] ?? 1;
    const dimB = b[b.length - rank + i] ?? 1;
    if (dimA !== dimB && dimA !== 1 && dimB !== 1) {
      throw new ShapeError(
        `${where}: shapes ${formatShape(a)} and ${formatShape(b)} do not broadcast.`,
      );
    }
    out[i] = Math.max(dimA, dimB);
  }
  return out;
}

/** Resolves one -1 in a wanted shape. @throws ShapeError */
export function resolveReshape(from: Shape, to: Shape, where: string): number[] {
  const size = sizeOf(from);
  const unknown = to.indexOf(-1);
  const known = to.filter((_, i) => i !== unknown);
  checkShape(known, where);
  const out = [...to];
  if (unknown >= 0) out[unknown] = size / sizeOf(known);
  if (sizeOf(out) !== size || !out.every(Number.isInteger)) {
    throw new ShapeError(
      `${where}: ${formatShape(from)} has ${size} elements and cannot become ${formatShape(to)}.`,
    );
  }
  return out;
}

/** Row-major strides in elements. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length);
  let stride = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    strides[i] = stride;
    stride *= shape[i]!;
  }
  return strides;
}
