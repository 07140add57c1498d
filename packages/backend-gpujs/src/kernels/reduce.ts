import type { ReduceOp } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import { lanes, TEXEL } from '../glsl.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf } from '../layout.ts';
import type { ProgramSource } from '../program.ts';
import { type Input, withTemporaries } from '../tensor.ts';

/** A result of its own for every so many terms, as long as there are few results. */
const TERMS = 512;
/** Results that keep a graphics device busy. */
const BUSY = 2 ** 15;

/** x [outer, n, inner] -> [outer, inner]. */
export function reduce(device: GlDevice, op: ReduceOp, x: Input): GpuTexture {
  const [outer, n, inner] = x.shape as unknown as [number, number, number];
  return reduceTexture(device, op, x.handle.low, outer, n, inner);
}

/**
 * The same for a texture. Long axes are cut into pieces that are reduced side by side, and then
 * their results, which is also what keeps rounding errors of long sums small.
 */
export function reduceTexture(
  device: GlDevice,
  op: ReduceOp,
  texture: GpuTexture,
  outer: number,
  n: number,
  inner: number,
): GpuTexture {
  const pieces = n > 2 * TERMS && outer * inner < BUSY ? Math.ceil(n / TERMS) : 1;
  const run = (from: GpuTexture, terms: number, length: number, count: number) => {
    const kind = inner === 1 && fills(terms) ? 'rows' : fills(inner) ? 'columns' : 'elements';
    const source = () => SOURCES[kind](op);
    const args = [from, terms, length, count, inner];
    return device.run(`${op}.${kind}`, source, texelsOf(outer * count * inner), args);
  };
  if (pieces === 1) return run(texture, n, n, 1);
  return withTemporaries(device, (temporary) => {
    const partial = temporary(run(texture, n, TERMS, pieces)); // [outer, pieces, inner]
    return reduceTexture(device, op, partial, outer, pieces, inner);
  });
}

/** x [outer, n, inner]; the result is [outer, pieces, inner], each of up to `length` terms. */
const ARGS = { x: 'texture', n: 'int', length: 'int', pieces: 'int', inner: 'int' } as const;

const SOURCES: Readonly<Record<'rows' | 'columns' | 'elements', (op: ReduceOp) => ProgramSource>> =
  {
    // inner = 1, and each row is a number of whole texels.
    rows: (op) => ({
      args: ARGS,
      body: `${TEXEL} ${lanes(`
      const e$ = 4 * i + $;
      const o$ = idiv(e$, pieces);
      const piece$ = e$ - o$ * pieces;
      const from$ = idiv(o$ * n + piece$ * length, 4);
      const to$ = idiv(o$ * n + least(n, piece$ * length + length), 4);
      let r$ = ${op === 'sum' ? 'sum4' : 'max4'}(texel(x, from$));
      for (let k$ = from$ + 1; k$ < to$; k$++) {
        ${op === 'sum' ? 'r$ += sum4(texel(x, k$));' : 'r$ = larger(r$, max4(texel(x, k$)));'}
      }`)}
      return [r0, r1, r2, r3];`,
    }),
    // Four neighbours along inner lie in one texel.
    columns: (op) => ({
      args: ARGS,
      glsl: 'vec4 larger4(vec4 a, vec4 b) { return vec4(larger(a.x, b.x), larger(a.y, b.y), larger(a.z, b.z), larger(a.w, b.w)); }',
      functions: { larger4: ['vec4', 'vec4', 'vec4'] },
      body: `${TEXEL}
      const width = idiv(inner, 4);
      const row = idiv(i, width);
      const column = i - row * width;
      const o = idiv(row, pieces);
      const piece = row - o * pieces;
      const to = least(n, piece * length + length);
      const base = o * n * width + column;
      let r = texel(x, base + piece * length * width);
      for (let k = piece * length + 1; k < to; k++) {
        r = ${op === 'sum' ? 'add4' : 'larger4'}(r, texel(x, base + k * width));
      }
      return r;`,
    }),
    elements: (op) => ({
      args: ARGS,
      body: `${TEXEL} ${lanes(`
      const e$ = 4 * i + $;
      const row$ = idiv(e$, inner);
      const o$ = idiv(row$, pieces);
      const piece$ = row$ - o$ * pieces;
      const to$ = least(n, piece$ * length + length);
      const base$ = o$ * n * inner + e$ - row$ * inner;
      let r$ = at(x, base$ + piece$ * length * inner);
      for (let k$ = piece$ * length + 1; k$ < to$; k$++) {
        const v$ = at(x, base$ + k$ * inner);
        ${op === 'sum' ? 'r$ += v$;' : 'r$ = larger(r$, v$);'}
      }`)}
      return [r0, r1, r2, r3];`,
    }),
  };
