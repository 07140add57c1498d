import type { HostMemory, Kernel } from '../device.ts';
import type { TensorInfo } from '../tf.ts';

/** x [rows, n] -> (x - mean) / sqrt(variance + epsilon) over each row. */
export function layerNormLoop(host: HostMemory, x: Kernel, epsilon: number): TensorInfo {
  const n = x.shape[1]!;
  const info = host.allocate(x.shape, 'float32');
  const out = host.values(info);
  const values = host.values(x.handle);
  for (let at = 0; at < out.length; at += n) {
    const end = at + n;
    let sum = 0;
    for (let i = at; i < end; i++) sum += values[i]!;
    const mean = sum / n;
    let squares = 0;
    for (let i = at; i < end; i++) {
      const centred = values[i]! - mean;
      squares += centred * centred;
    }
    const inverse = 1 / Math.sqrt(squares / n + epsilon);
    for (let i = at; i < end; i++) out[i] = (values[i]! - mean) * inverse;
  }
  return info;
}
