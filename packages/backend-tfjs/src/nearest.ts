import { type Kernel, type TfDevice, type Work, withWork } from './device.ts';
import { nearestLoop } from './host/nearest.ts';
import type { TensorInfo } from './tf.ts';

/** Elements of the distance table that may exist at one time (64 MiB). */
export const TABLE_LIMIT = 2 ** 24;

/** Larger than any distance that matters; keeps a codeword from being chosen twice. */
const TAKEN = 3e38;

/** x [N, d], codebook [k, d] -> the n nearest codewords and their squared distances, [N, n]. */
export function nearest(
  device: TfDevice,
  x: Kernel,
  codebook: Kernel,
  n: number,
  tableLimit: number = TABLE_LIMIT,
): { indices: TensorInfo; distances: TensorInfo } {
  if (device.host) return nearestLoop(device.host, x, codebook, n);
  const rows = x.shape[0]!;
  const [k, d] = codebook.shape as [number, number];
  const chunk = Math.max(1, Math.floor(tableLimit / k));
  const [indices, distances] = withWork(device, (w) => {
    const points = w.input(x);
    const words = w.input(codebook);
    // [d, k]: one row holds one coordinate of every codeword.
    const columns = w.run('Transpose', { x: words }, { perm: [1, 0] });
    const indexParts: TensorInfo[] = [];
    const distanceParts: TensorInfo[] = [];
    for (let from = 0; from < rows; from += chunk) {
      const count = Math.min(chunk, rows - from);
      const part = withWork(device, (inner) => {
        const slice = inner.run('Slice', { x: points }, { begin: [from, 0], size: [count, d] });
        return nearestInChunk(inner, slice, columns, count, k, d, n);
      });
      const [partIndices, partDistances] = part as [TensorInfo, TensorInfo];
      indexParts.push(w.adopt(partIndices));
      distanceParts.push(w.adopt(partDistances));
    }
    return [join(w, indexParts, 0), join(w, distanceParts, 0)];
  }) as [TensorInfo, TensorInfo];
  return { indices, distances };
}

/**
 * Distances are sums of squared differences, coordinate by coordinate. The faster form
 * |x|^2 - 2 x.c + |c|^2 cancels: near a codeword it keeps no correct digit of a small distance, and
 * then takes the wrong one of two close codewords. Sub-vectors are short, so this costs 2 d passes.
 */
function nearestInChunk(
  w: Work,
  x: TensorInfo,
  columns: TensorInfo,
  count: number,
  k: number,
  d: number,
  n: number,
): TensorInfo[] {
  let table: TensorInfo | undefined;
  for (let axis = 0; axis < d; axis++) {
    const a = w.run('Slice', { x }, { begin: [0, axis], size: [count, 1] });
    const b = w.run('Slice', { x: columns }, { begin: [axis, 0], size: [1, k] });
    const squares = w.run('SquaredDifference', { a, b }); // [count, k]
    const before = table;
    table = before ? w.run('Add', { a: before, b: squares }) : squares;
    if (before) {
      w.release(before);
      w.release(squares);
    }
  }
  const indices: TensorInfo[] = [];
  const distances: TensorInfo[] = [];
  for (let rank = 0; rank < n; rank++) {
    const index = w.run('ArgMin', { x: table! }, { axis: 1 }); // [count]
    const distance = w.run('Min', { x: table! }, { axis: [1], keepDims: false });
    indices.push(w.view(index, [count, 1]));
    distances.push(w.view(distance, [count, 1]));
    if (rank === n - 1) break;
    const hot = { depth: k, onValue: TAKEN, offValue: 0, dtype: 'float32' };
    const taken = w.run('OneHot', { indices: index }, hot); // [count, k]
    const before = table!;
    table = w.run('Add', { a: before, b: taken });
    w.release(before);
    w.release(taken);
  }
  return [join(w, indices, 1), join(w, distances, 1)];
}

function join(w: Work, parts: TensorInfo[], axis: number): TensorInfo {
  if (parts.length === 1) return w.run('Identity', { x: parts[0] });
  return w.run('Concat', parts as unknown as Record<string, TensorInfo>, { axis });
}
