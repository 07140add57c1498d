import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills } from '../layout.ts';
import { type Input, withTemporaries } from '../tensor.ts';
import { packRows } from './pack.ts';
import { product } from './product.ts';

/**
 * a [B, M, K] times b [B, K, N] -> [B, M, N], either transposed. Both operands are brought into rows
 * along K that begin and end with whole texels, unless they are like that already: a transposed b is,
 * which is how layers multiply by their weights.
 */
export function matmul(
  device: GlDevice,
  a: Input,
  b: Input,
  transposeA: boolean,
  transposeB: boolean,
): GpuTexture {
  const [batch, rowsA, colsA] = a.shape as unknown as [number, number, number];
  const [m, k] = transposeA ? [colsA, rowsA] : [rowsA, colsA];
  const n = transposeB ? b.shape[1]! : b.shape[2]!;
  return withTemporaries(device, (temporary) => {
    const rowsAlongK = (x: Input, rows: number, isAlong: boolean) => {
      if (isAlong && fills(k)) return x.handle.low;
      const steps = isAlong ? ([rows * k, k, 1] as const) : ([rows * k, 1, rows] as const);
      return temporary(packRows(device, x.handle.low, { batch, rows, n: k, steps }));
    };
    const left = rowsAlongK(a, m, !transposeA);
    const right = rowsAlongK(b, n, transposeB);
    return product(device, left, right, { batch, m, n, width: Math.ceil(k / 4) });
  });
}
