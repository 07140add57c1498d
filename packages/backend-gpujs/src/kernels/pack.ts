import type { GlDevice } from '../device.ts';
import { lanes, TEXEL } from '../glsl.ts';
import type { GpuTexture } from '../gpu-js.ts';
import type { ProgramSource } from '../program.ts';

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

const SOURCE: ProgramSource = {
  args: {
    x: 'texture',
    rows: 'int',
    n: 'int',
    width: 'int',
    stepBatch: 'int',
    stepRow: 'int',
    step: 'int',
  },
  body: `${TEXEL}
    const line = idiv(i, width);
    const first = 4 * (i - line * width);
    const batch = idiv(line, rows);
    const base = batch * stepBatch + (line - batch * rows) * stepRow;
    ${lanes(`
      const k$ = first + $;
      let r$ = 0.0;
      if (k$ < n) { r$ = at(x, base + k$ * step); }`)}
    return [r0, r1, r2, r3];`,
};
