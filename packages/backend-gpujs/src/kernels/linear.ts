import type { KernelTensor, LinearEpilogue, PackedKernelWeight } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills } from '../layout.ts';
import { type GlTensor, type Input, withTemporaries } from '../tensor.ts';
import { matrix } from './movement.ts';
import { packRows } from './pack.ts';
import { product } from './product.ts';
import { unpack } from './unpack.ts';

/**
 * x [rows, in] -> activation(x W^T + bias), then gate and residual, [rows, out]. A packed weight is
 * unpacked for the time of the product: a fragment that decoded its own weights would decode each of
 * them once for every row of x.
 */
export function linear(
  device: GlDevice,
  x: Input,
  weight: KernelTensor<GlTensor> | PackedKernelWeight<GlTensor>,
  { bias, activation, gated }: LinearEpilogue<GlTensor>,
): GpuTexture {
  const [m, k] = matrix(x.shape);
  return withTemporaries(device, (temporary) => {
    const isPacked = 'codes' in weight;
    const dense = isPacked ? temporary(unpack(device, weight)) : weight.handle.low;
    const n = isPacked ? weight.rows : weight.shape[0]!;
    const whole = (texture: GpuTexture, rows: number) =>
      fills(k)
        ? texture
        : temporary(packRows(device, texture, { batch: 1, rows, n: k, steps: [0, k, 1] }));
    const size = { batch: 1, m, n, width: Math.ceil(k / 4) };
    return product(device, whole(x.handle.low, m), whole(dense, n), size, {
      bias: bias?.handle.low,
      activation,
      gated: gated && {
        gate: gated.gate.handle.low,
        residual: gated.residual.handle.low,
        perImage: m / gated.gate.shape[0]!,
      },
    });
  });
}
