import { nearestCodewords } from '@vq4dit/core';
import type { HostMemory, Kernel } from '../device.ts';
import type { TensorInfo } from '../tf.ts';

/** x [N, d], codebook [k, d] -> indices int32 [N, n], distances [N, n]; compared in float64. */
export function nearestLoop(
  host: HostMemory,
  x: Kernel,
  codebook: Kernel,
  n: number,
): { indices: TensorInfo; distances: TensorInfo } {
  const shape = [x.shape[0]!, n];
  const indices = host.allocate(shape, 'int32');
  const distances = host.allocate(shape, 'float32');
  const points = host.values(x.handle) as Float32Array;
  const codewords = host.values(codebook.handle) as Float32Array;
  const found = nearestCodewords(points, codewords, x.shape[1]!, n);
  host.values(indices).set(found.indices);
  host.values(distances).set(found.distances);
  return { indices, distances };
}
