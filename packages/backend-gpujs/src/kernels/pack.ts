import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { elementSource } from '../source.ts';

/** Rows for a kernel that reads them texel by texel, wherever they lie in a texture. */
export interface RowSource {
  /** [batch, rows, n] in the result. */
  readonly batch: number;
  readonly rows: number;
  readonly n: number;
  /** Elements between batches, rows and elements of a row. */
  readonly steps: readonly [batch: number, row: number, element: number];
}

/** Each row in whole texels, [batch, rows, 4 ceil(n / 4)], filled up with zeros. */
export function packRows(device: GlDevice, texture: GpuTexture, source: RowSource): GpuTexture {
  const { batch, rows, n, steps } = source;
  const width = Math.ceil(n / 4);
  const args = [texture, rows, n, width, ...steps];
  return device.run('pack', () => SOURCE, batch * rows * width, args);
}

const SOURCE = elementSource(
  {
    x: 'texture',
    rows: 'int',
    n: 'int',
    width: 'int',
    stepBatch: 'int',
    stepRow: 'int',
    step: 'int',
  },
  `
  int line = i / width;
  int k = e - 4 * line * width;
  int batch = line / rows;
  if (k >= n) return 0.0;
  return at(x, batch * stepBatch + (line - batch * rows) * stepRow + k * step);`,
);
