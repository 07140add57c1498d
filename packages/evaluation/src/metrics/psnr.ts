import { ShapeError } from '@vq4dit/core';

/**
 * Peak signal-to-noise ratio in decibels, 10 log10(peak^2 / MSE); infinite for equal images.
 *
 * @param peak the range of values: 255 for bytes, 2 for [-1, 1]
 * @throws ShapeError where the sizes differ
 */
export function psnr(a: ArrayLike<number>, b: ArrayLike<number>, peak: number): number {
  if (a.length !== b.length || a.length === 0) {
    throw new ShapeError(
      `PSNR needs two images of one size, got ${a.length} and ${b.length} values.`,
    );
  }
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i]! - b[i]!) ** 2;
  return sum === 0 ? Number.POSITIVE_INFINITY : 10 * Math.log10((peak ** 2 * a.length) / sum);
}
