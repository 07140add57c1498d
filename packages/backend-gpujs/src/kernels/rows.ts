import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf } from '../layout.ts';
import { elementSource, type ProgramSource, TEXEL } from '../source.ts';
import { type GlTensor, type Input, withTemporaries } from '../tensor.ts';
import { copy, eachHalf, matrix } from './movement.ts';
import { packRows } from './pack.ts';
import { reduceTexture } from './reduce.ts';

/** x [N, d], indices [M] -> [M, d]. */
export function gatherRows(device: GlDevice, x: Input, indices: Input): GlTensor {
  const d = x.shape[1]!;
  const kind = fills(d) ? 'texels' : 'elements';
  const units = fills(d) ? d / 4 : d;
  const texels = texelsOf(indices.shape[0]! * d);
  return eachHalf(x.handle, (texture) =>
    device.run(`gather.${kind}`, () => GATHER[kind], texels, [texture, indices.handle.low, units]),
  );
}

const GATHER_ARGS = { x: 'texture', indices: 'texture', d: 'int' } as const;

const GATHER: Readonly<Record<'texels' | 'elements', ProgramSource>> = {
  texels: {
    args: GATHER_ARGS,
    body: `${TEXEL}
      const m = idiv(i, d);
      return texel(x, whole(at(indices, m)) * d + i - m * d);`,
  },
  elements: elementSource(
    GATHER_ARGS,
    `int m = e / d;
    return at(x, whole(at(indices, m)) * d + e - m * d);`,
  ),
};

/** updates [M, d], indices [M] -> [rows, d]. */
export function scatterAddRows(
  device: GlDevice,
  updates: Input,
  indices: Input,
  rows: number,
): GpuTexture {
  const [count, d] = matrix(updates.shape);
  return scatter(device, {
    updates: updates.handle.low,
    indices: indices.handle.low,
    count,
    d,
    rows,
  });
}

/** What {@link scatter} adds, and to what. */
export interface Scatter {
  /** [count, d], or [count / share, d] where `weights` are given. */
  readonly updates: GpuTexture;
  /** [count] */
  readonly indices: GpuTexture;
  readonly count: number;
  readonly d: number;
  readonly rows: number;
  /** [count]: update j is then weights[j] times row floor(j / share) of `updates`. */
  readonly weights?: GpuTexture;
  readonly share?: number;
}

/** Fragments that keep a graphics device busy. */
const BUSY = 2 ** 14;
/** Updates that one fragment looks through at least. */
const SHORTEST = 64;

/**
 * WebGL cannot add to memory at a computed place. So each row looks through the indices for its own;
 * the updates are cut into pieces that are looked through side by side, and whose sums are added.
 */
export function scatter(device: GlDevice, what: Scatter): GpuTexture {
  const { updates, indices, count, d, rows, weights, share = 1 } = what;
  const width = Math.ceil(d / 4);
  const wanted = Math.max(1, Math.min(count / SHORTEST, BUSY / (rows * width)));
  const length = 4 * Math.ceil(count / wanted / 4);
  const pieces = Math.ceil(count / length);
  return withTemporaries(device, (temporary) => {
    const steps = [0, d, 1] as const;
    const lines = fills(d)
      ? updates
      : temporary(packRows(device, updates, { batch: 1, rows: count / share, n: d, steps }));
    const name = weights ? 'scatter.weighted' : 'scatter';
    const args = [lines, indices, count, length, rows, width, ...(weights ? [weights, share] : [])];
    const texels = pieces * rows * width;
    let sums = device.run(name, () => scatterSource(weights !== undefined), texels, args);
    if (pieces > 1) {
      temporary(sums); // [pieces, rows, 4 width]
      sums = reduceTexture(device, 'sum', sums, 1, pieces, rows * width * 4);
    }
    if (fills(d)) return sums;
    temporary(sums);
    return copy(device, sums, 0, [
      { size: rows, steps: [4 * width] },
      { size: d, steps: [1] },
    ]);
  });
}

function scatterSource(isWeighted: boolean): ProgramSource {
  const add = isWeighted
    ? 'r = madd4(r, texel(updates, idiv(j, share) * d + column), at(weights, j));'
    : 'r = add4(r, texel(updates, j * d + column));';
  return {
    args: {
      updates: 'texture',
      indices: 'texture',
      count: 'int',
      length: 'int',
      rows: 'int',
      d: 'int',
      ...(isWeighted && ({ weights: 'texture', share: 'int' } as const)),
    },
    body: `${TEXEL}
      const line = idiv(i, d);
      const column = i - line * d;
      const piece = idiv(line, rows);
      const row = line - piece * rows;
      const to = least(count, piece * length + length);
      let r = splat4(0.0);
      for (let first = piece * length; first < to; first += 4) {
        const found = texel(indices, idiv(first, 4));
        ${[0, 1, 2, 3]
          .map(
            (lane) => `if (whole(found[${lane}]) == row && first + ${lane} < to) {
              const j = first + ${lane};
              ${add}
            }`,
          )
          .join('\n')}
      }
      return r;`,
  };
}
