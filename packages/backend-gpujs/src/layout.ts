import { type Shape, sizeOf } from '@vq4dit/core';

/**
 * How a tensor lies in a texture: row-major elements, four to a texel, texels row by row. Rows are a
 * power of two wide, so that a shader finds row and column of a texel number by exact arithmetic,
 * and there are at least two, because gpu.js chooses a size of its own for one row.
 */
export interface Layout {
  readonly width: number;
  readonly height: number;
}

/** Shaders hold texel numbers in float32 where WebGL 1 has no integer division. */
export const MAX_TEXELS = 2 ** 24;

/** Four elements are a texel; the last one may be partly filled. */
export const texelsOf = (size: number): number => Math.ceil(size / 4);

/** The layout of `texels` texels. */
export function layoutOf(texels: number): Layout {
  const width = 2 ** Math.ceil(Math.log2(texels) / 2);
  return { width, height: Math.max(2, Math.ceil(texels / width)) };
}

/** The most elements that a tensor can have where textures have `maxSize` rows and columns. */
export function maxElements(maxSize: number): number {
  const side = 2 ** Math.floor(Math.log2(maxSize));
  return 4 * Math.min(MAX_TEXELS, side * side);
}

/** Whether `n` elements in a row begin and end with whole texels. */
export const fills = (n: number): boolean => n % 4 === 0;

/** The number of elements of a shape, in texels. */
export const texelsOfShape = (shape: Shape): number => texelsOf(sizeOf(shape));
