import type { ReduceOp } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf } from '../layout.ts';
import { elementSource, type ProgramSource, texelSource } from '../source.ts';
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
    rows: (op) =>
      elementSource(
        ARGS,
        `
      int o = e / pieces;
      int start = (e - o * pieces) * length;
      int first = (o * n + start) / 4;
      float r = ${op === 'sum' ? 'sum4' : 'max4'}(texel(x, first));
      LOOP(k, first + 1, (o * n + least(n, start + length)) / 4)
        ${op === 'sum' ? 'r += sum4(texel(x, k));' : 'r = larger(r, max4(texel(x, k)));'}
      }
      return r;`,
      ),
    // Four neighbours along inner lie in one texel.
    columns: (op) =>
      texelSource(
        ARGS,
        `
      int width = inner / 4;
      int row = i / width;
      int o = row / pieces;
      int start = (row - o * pieces) * length;
      int base = o * n * width + i - row * width;
      vec4 r = texel(x, base + start * width);
      LOOP(k, start + 1, least(n, start + length))
        r = ${op === 'sum' ? 'r + texel(x, base + k * width)' : 'larger4(r, texel(x, base + k * width))'};
      }
      return r;`,
        `vec4 larger4(vec4 a, vec4 b) {
        return vec4(larger(a.x, b.x), larger(a.y, b.y), larger(a.z, b.z), larger(a.w, b.w));
      }`,
      ),
    elements: (op) =>
      elementSource(
        ARGS,
        `
      int row = e / inner;
      int o = row / pieces;
      int start = (row - o * pieces) * length;
      int base = o * n * inner + e - row * inner;
      float r = at(x, base + start * inner);
      LOOP(k, start + 1, least(n, start + length))
        float v = at(x, base + k * inner);
        r = ${op === 'sum' ? 'r + v' : 'larger(r, v)'};
      }
      return r;`,
      ),
  };
