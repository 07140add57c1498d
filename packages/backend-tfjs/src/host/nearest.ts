import type { HostMemory, Kernel } from '../device.ts';
import type { TensorInfo } from '../tf.ts';

/** x [N, d], codebook [k, d] -> indices int32 [N, n], distances [N, n]; compared in float64. */
export function nearestLoop(
  host: HostMemory,
  x: Kernel,
  codebook: Kernel,
  n: number,
): { indices: TensorInfo; distances: TensorInfo } {
  const [rows, d] = x.shape as [number, number];
  const k = codebook.shape[0]!;
  const indexInfo = host.allocate([rows, n], 'int32');
  const distanceInfo = host.allocate([rows, n], 'float32');
  const indices = host.values(indexInfo);
  const distances = host.values(distanceInfo);
  const points = host.values(x.handle);
  const words = Float64Array.from(host.values(codebook.handle));
  const best = new Float64Array(n);
  const at = new Int32Array(n);
  for (let row = 0; row < rows; row++) {
    let found = 0;
    for (let j = 0; j < k; j++) {
      let sum = 0;
      for (let a = 0; a < d; a++) {
        const e = points[row * d + a]! - words[j * d + a]!;
        sum += e * e;
      }
      if (found === n && !(sum < best[n - 1]!)) continue;
      let r = found < n ? found++ : n - 1;
      for (; r > 0 && best[r - 1]! > sum; r--) {
        best[r] = best[r - 1]!;
        at[r] = at[r - 1]!;
      }
      best[r] = sum;
      at[r] = j;
    }
    indices.set(at, row * n);
    distances.set(best, row * n);
  }
  return { indices: indexInfo, distances: distanceInfo };
}
