import type { HostMemory, Kernel } from '../device.ts';
import type { TensorInfo } from '../tf.ts';
import { squaredDeviations, sumRange } from './sums.ts';

/** x [rows, n] -> (x - mean) / sqrt(variance + epsilon) over each row. */
export function layerNormLoop(host: HostMemory, x: Kernel, epsilon: number): TensorInfo {
  const n = x.shape[1]!;
  const info = host.allocate(x.shape, 'float32');
  const out = host.values(info);
  const values = host.values(x.handle);
  for (let at = 0; at < out.length; at += n) {
    const end = at + n;
    const mean = sumRange(values, at, end) / n;
    const variance = squaredDeviations(values, at, end, mean) / n;
    const inverse = 1 / Math.sqrt(variance + epsilon);
    for (let i = at; i < end; i++) out[i] = (values[i]! - mean) * inverse;
  }
  return info;
}
