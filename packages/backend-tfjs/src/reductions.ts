import type { ReduceOp } from '@vq4dit/core';
import { type Kernel, type TfDevice, withWork } from './device.ts';
import { argminLoop, reduceLoop } from './host/reduce.ts';
import type { TensorInfo } from './tf.ts';

/** x [outer, n, inner] -> [outer, inner]. */
export function reduce(device: TfDevice, op: ReduceOp, x: Kernel): TensorInfo {
  if (device.host) return reduceLoop(device.host, op, x);
  const attrs = { keepDims: false };
  return withWork(device, (w) =>
    op === 'sum'
      ? w.run('Sum', { x: w.input(x) }, { ...attrs, axis: [1] })
      : w.run('Max', { x: w.input(x) }, { ...attrs, reductionIndices: [1] }),
  );
}

/** x [rows, n] -> int32 [rows]. */
export function argmin(device: TfDevice, x: Kernel): TensorInfo {
  if (device.host) return argminLoop(device.host, x);
  return withWork(device, (w) => {
    const values = w.input(x);
    const isNan = w.run('IsNan', { x: values });
    const infinity = w.run(
      'Fill',
      {},
      { shape: [...x.shape], value: Number.POSITIVE_INFINITY, dtype: 'float32' },
    );
    const clean = w.run('Select', { condition: isNan, t: infinity, e: values });
    return w.run('ArgMin', { x: clean }, { axis: 1 });
  });
}
