import type { KernelTensor } from '@vq4dit/core';
import type { Allocator, Values } from './storage.ts';

/** The n nearest codewords by the definition: every distance, in float64, insertion by (distance, index). */
export function nearest(
  alloc: Allocator,
  x: KernelTensor<Values>,
  codebook: KernelTensor<Values>,
  n: number,
): { indices: Values; distances: Values } {
  const [rows, d] = x.shape as [number, number];
  const k = codebook.shape[0]!;
  const indices = new Int32Array(rows * n);
  const distances = alloc.float(rows * n);
  const bestDistance = new Float64Array(n);
  const bestIndex = new Int32Array(n);
  for (let row = 0; row < rows; row++) {
    bestDistance.fill(Number.POSITIVE_INFINITY);
    let found = 0;
    for (let codeword = 0; codeword < k; codeword++) {
      let distance = 0;
      for (let j = 0; j < d; j++) {
        const difference = x.handle[row * d + j]! - codebook.handle[codeword * d + j]!;
        distance += difference * difference;
      }
      // Strictly nearer only, so that ties keep the lowest index first.
      let at = found;
      while (at > 0 && distance < bestDistance[at - 1]!) at--;
      if (at >= n) continue;
      for (let i = Math.min(found, n - 1); i > at; i--) {
        bestDistance[i] = bestDistance[i - 1]!;
        bestIndex[i] = bestIndex[i - 1]!;
      }
      bestDistance[at] = distance;
      bestIndex[at] = codeword;
      found = Math.min(found + 1, n);
    }
    indices.set(bestIndex, row * n);
    distances.set(bestDistance, row * n);
  }
  return { indices, distances };
}
