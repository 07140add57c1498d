import type { HostMemory, Kernel } from '../device.ts';
import type { TensorInfo } from '../tf.ts';

/** Rows up to this length are copied value by value: a call of `set` costs more than that. */
const SHORT_ROW = 32;

/** x [N, d], indices int32 [M] -> [M, d]. The wasm kernel checks every index again, on a copy. */
export function gatherLoop(host: HostMemory, x: Kernel, indices: Kernel): TensorInfo {
  const d = x.shape[1]!;
  const info = host.allocate([indices.shape[0]!, d], x.dtype);
  const out = host.values(info);
  const values = host.values(x.handle);
  const rows = host.values(indices.handle);
  if (d > SHORT_ROW) {
    for (let i = 0; i < rows.length; i++) {
      const from = rows[i]! * d;
      out.set(values.subarray(from, from + d), i * d);
    }
    return info;
  }
  for (let i = 0, at = 0; i < rows.length; i++) {
    const from = rows[i]! * d;
    for (let j = 0; j < d; j++) out[at++] = values[from + j]!;
  }
  return info;
}

/** updates [M, d], indices int32 [M] -> [rows, d]; summed in float64. */
export function scatterAddLoop(
  host: HostMemory,
  updates: Kernel,
  indices: Kernel,
  rows: number,
): TensorInfo {
  const d = updates.shape[1]!;
  const info = host.allocate([rows, d], 'float32');
  const sums = new Float64Array(rows * d);
  const values = host.values(updates.handle);
  const targets = host.values(indices.handle);
  for (let i = 0, at = 0; i < targets.length; i++) {
    const to = targets[i]! * d;
    for (let j = 0; j < d; j++) sums[to + j]! += values[at++]!;
  }
  host.values(info).set(sums);
  return info;
}
