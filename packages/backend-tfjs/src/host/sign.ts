import type { HostMemory, Kernel } from '../device.ts';
import type { TensorInfo } from '../tf.ts';

/** Math.sign: unlike the TensorFlow.js kernels it keeps NaN. It is as fast as the wasm kernel. */
export function signLoop(host: HostMemory, x: Kernel): TensorInfo {
  const info = host.allocate(x.shape, 'float32');
  const out = host.values(info);
  const values = host.values(x.handle);
  for (let i = 0; i < out.length; i++) out[i] = Math.sign(values[i]!);
  return info;
}
