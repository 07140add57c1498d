import { collapsePermute, collapseSlice } from './collapse.ts';
import { type Kernel, type TfDevice, withWork } from './device.ts';
import { gatherLoop, scatterAddLoop } from './host/rows.ts';
import type { TensorInfo } from './tf.ts';

export function permute(device: TfDevice, x: Kernel, axes: readonly number[]): TensorInfo {
  const { shape, axes: perm } = collapsePermute(x.shape, axes);
  return withWork(device, (w) =>
    shape.length < 2
      ? w.run('Identity', { x: x.handle })
      : w.run('Transpose', { x: w.input(x, shape) }, { perm }),
  );
}

export function slice(
  device: TfDevice,
  x: Kernel,
  begin: readonly number[],
  size: readonly number[],
): TensorInfo {
  const block = collapseSlice(x.shape, begin, size);
  return withWork(device, (w) =>
    w.run('Slice', { x: w.input(x, block.shape) }, { begin: block.begin, size: block.size }),
  );
}

export function concat(device: TfDevice, xs: readonly Kernel[], axis: number): TensorInfo {
  const outer = xs[0]!.shape.slice(0, axis).reduce((a, b) => a * b, 1);
  return withWork(device, (w) => {
    const inputs = xs.map((x) => {
      const size = x.shape.reduce((a, b) => a * b, 1);
      return w.input(x, [outer, size / outer]);
    });
    return w.run('Concat', inputs as unknown as Record<string, TensorInfo>, { axis: 1 });
  });
}

/** x [N, d], indices int32 [M] -> [M, d]. */
export function gatherRows(device: TfDevice, x: Kernel, indices: Kernel): TensorInfo {
  if (device.host) return gatherLoop(device.host, x, indices);
  return withWork(device, (w) =>
    w.run('GatherV2', { x: w.input(x), indices: w.input(indices) }, { axis: 0, batchDims: 0 }),
  );
}

/** updates [M, d], indices int32 [M] -> [rows, d]. */
export function scatterAddRows(
  device: TfDevice,
  updates: Kernel,
  indices: Kernel,
  rows: number,
): TensorInfo {
  if (device.host) return scatterAddLoop(device.host, updates, indices, rows);
  // `UnsortedSegmentSum` multiplies by masks on some backends, and one NaN then spoils every row.
  return withWork(device, (w) =>
    w.run(
      'ScatterNd',
      {
        indices: w.input(indices, [indices.shape[0]!, 1]),
        updates: w.input(updates),
      },
      { shape: [rows, updates.shape[1]!] },
    ),
  );
}
