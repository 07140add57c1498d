import type { KernelTensor } from '@vq4dit/core';
import type { GlDevice } from './device.ts';
import type { GpuTexture } from './gpu-js.ts';

/**
 * The backend's handle. Textures hold float32, which is exact for integers up to 2^24 only; int32
 * data with larger numbers is split into `65536 high + low`, with low in 0 to 65535.
 */
export interface GlTensor {
  readonly low: GpuTexture;
  readonly high?: GpuTexture;
}

/** A kernel's input. */
export type Input = KernelTensor<GlTensor>;

/** The largest integer below which float32 holds every other. */
export const EXACT_LIMIT = 2 ** 24;

/** Splits int32 values into two exact halves. */
export function splitValues(values: Int32Array): { low: Float32Array; high: Float32Array } {
  return {
    low: Float32Array.from(values, (value) => value & 0xffff),
    high: Float32Array.from(values, (value) => value >> 16),
  };
}

/** Whether float32 holds all of the values. */
export function areExact(values: Int32Array): boolean {
  return values.every((value) => value <= EXACT_LIMIT && value >= -EXACT_LIMIT);
}

/**
 * Calls `body` with a function that marks textures as temporary; they are freed at the end, whether
 * it is reached or not.
 */
export function withTemporaries<T>(
  device: GlDevice,
  body: (temporary: (texture: GpuTexture) => GpuTexture) => T,
): T {
  const textures: GpuTexture[] = [];
  try {
    return body((texture) => {
      textures.push(texture);
      return texture;
    });
  } finally {
    for (const texture of textures) device.free(texture);
  }
}
