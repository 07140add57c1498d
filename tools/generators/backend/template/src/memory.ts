import type { DType } from '@vq4dit/core';

/** Numbers of one tensor, on the host. */
export type Values = Float32Array | Int32Array;

/**
 * What a tensor is on the device; core never looks inside.
 *
 * DEVICE: replace `values` by what the driver gives: a pointer, a texture, a buffer object.
 */
export interface DeviceBuffer {
  readonly values: Values;
}

/** Makes the buffers and counts those that are alive. */
export class DeviceMemory {
  live = 0;

  /** Takes over `values`, which nobody else may keep. DEVICE: allocate, and queue a copy. */
  adopt(values: Values): DeviceBuffer {
    this.live++;
    return { values };
  }

  /** DEVICE: free once the work that is queued on the buffer has come to its end. */
  release(): void {
    this.live--;
  }
}

/** Zeros of a dtype. */
export function zeros(dtype: DType, length: number): Values {
  return dtype === 'int32' ? new Int32Array(length) : new Float32Array(length);
}
