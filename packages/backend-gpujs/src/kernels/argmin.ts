import type { GlDevice } from '../device.ts';
import { lanes, TEXEL } from '../glsl.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { texelsOf } from '../layout.ts';
import type { ProgramSource } from '../program.ts';
import type { Input } from '../tensor.ts';
import { matrix } from './movement.ts';

/** x [rows, n] -> [rows]: the lowest index of the minimum. NaN never wins; all NaN gives 0. */
export function argmin(device: GlDevice, x: Input): GpuTexture {
  const [rows, n] = matrix(x.shape);
  return device.run('argmin', () => SOURCE, texelsOf(rows), [x.handle.low, n]);
}

const SOURCE: ProgramSource = {
  args: { x: 'texture', n: 'int' },
  body: `${TEXEL} ${lanes(`
    const row$ = (4 * i + $) * n;
    let best$ = at(x, row$);
    let index$ = 0.0;
    let found$ = isNumber(best$);
    for (let k$ = 1; k$ < n; k$++) {
      const v$ = at(x, row$ + k$);
      if (isNumber(v$) == 1 && (found$ == 0 || v$ < best$)) {
        best$ = v$;
        index$ = k$;
        found$ = 1;
      }
    }`)}
    return [index0, index1, index2, index3];`,
};
