import type { DType } from '@vq4dit/core';

/** A reference tensor is a typed array: float32 (or float64, for oracles) or int32. */
export type Values = Float32Array | Float64Array | Int32Array;

/** How float tensors are kept between operations. Arithmetic is float64 in both cases. */
export type FloatStorage = 'float32' | 'float64';

/** Makes the arrays that kernels write into; storing into float32 rounds once, to nearest. */
export class Allocator {
  readonly float: (length: number) => Float32Array | Float64Array;
  live = 0;

  constructor(storage: FloatStorage) {
    this.float = storage === 'float64' ? (n) => new Float64Array(n) : (n) => new Float32Array(n);
  }

  like(dtype: DType, length: number): Values {
    return dtype === 'int32' ? new Int32Array(length) : this.float(length);
  }
}
