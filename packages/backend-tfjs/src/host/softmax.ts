import type { HostMemory, Kernel } from '../device.ts';
import type { HostValues, TensorInfo } from '../tf.ts';

/**
 * Rows up to this length, as the ratios of a candidate set, go through loops: the wasm kernel takes
 * 60 ns or more for every row, however short.
 */
export const SHORT_SOFTMAX = 4;

/** x [rows, n] -> [rows, n], n up to {@link SHORT_SOFTMAX}. */
export function softmaxLoop(host: HostMemory, x: Kernel): TensorInfo {
  const n = x.shape[1]!;
  const info = host.allocate(x.shape, 'float32');
  const out = host.values(info);
  const values = host.values(x.handle);
  for (let at = 0; at < out.length; at += n) softmaxRow(values, out, at, n);
  return info;
}

function softmaxRow(x: HostValues, out: HostValues, at: number, n: number): void {
  let largest = x[at]!;
  for (let i = at + 1; i < at + n; i++) largest = Math.max(largest, x[i]!);
  let sum = 0;
  for (let i = at; i < at + n; i++) {
    const power = Math.exp(x[i]! - largest);
    out[i] = power;
    sum += power;
  }
  for (let i = at; i < at + n; i++) out[i] = out[i]! / sum;
}

/** Logits [rows, 2] -> each minus the other of its row; the softmax of a pair is their sigmoid. */
export function pairDifferences(host: HostMemory, x: Kernel): TensorInfo {
  const info = host.allocate(x.shape, 'float32');
  const out = host.values(info);
  const values = host.values(x.handle);
  for (let i = 0; i < out.length; i += 2) {
    const difference = values[i]! - values[i + 1]!;
    out[i] = difference;
    out[i + 1] = -difference;
  }
  return info;
}
