import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { texelsOf } from '../layout.ts';
import { elementSource } from '../source.ts';
import type { Input } from '../tensor.ts';
import { matrix } from './movement.ts';

/** x [rows, n] -> [rows]: the lowest index of the minimum. NaN never wins; all NaN gives 0. */
export function argmin(device: GlDevice, x: Input): GpuTexture {
  const [rows, n] = matrix(x.shape);
  return device.run('argmin', () => SOURCE, texelsOf(rows), [x.handle.low, n]);
}

const SOURCE = elementSource(
  { x: 'texture', n: 'int' },
  `
  int row = e * n;
  float best = at(x, row);
  int index = 0;
  LOOP(k, 1, n)
    float v = at(x, row + k);
    if (!isNan(v) && (isNan(best) || v < best)) {
      best = v;
      index = k;
    }
  }
  return float(index);`,
);
