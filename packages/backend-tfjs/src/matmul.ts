import { type Kernel, type TfDevice, withWork } from './device.ts';
import type { TensorInfo } from './tf.ts';

/** a [B, M, K] (or [B, K, M]) times b [B, K, N] (or [B, N, K]) -> [B, M, N], by one kernel. */
export function matmul(
  device: TfDevice,
  a: Kernel,
  b: Kernel,
  transposeA: boolean,
  transposeB: boolean,
): TensorInfo {
  return withWork(device, (w) =>
    w.run('BatchMatMul', { a: w.input(a), b: w.input(b) }, { transposeA, transposeB }),
  );
}
