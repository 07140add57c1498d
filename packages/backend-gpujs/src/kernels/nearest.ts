import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf } from '../layout.ts';
import { elementSource, type ProgramSource, TEXEL } from '../source.ts';
import { type Input, withTemporaries } from '../tensor.ts';
import { copy, joinRows, matrix } from './movement.ts';
import { packRows } from './pack.ts';

/** Sub-vectors of more texels than this are read again for each codeword. */
const HELD_TEXELS = 4;
/** Above every squared distance, of which those that overflow count as `FARTHEST`. */
const BEYOND = 3.4e38;
const FARTHEST = 3.3e38;

/**
 * x [N, d], codebook [k, d] -> the n nearest codewords, nearest first and ties to the lowest index,
 * and their squared distances, both [N, n]. No N x k table: a fragment walks through the codebook
 * and keeps the best of four rows, of two, or the best four of one.
 */
export function nearest(
  device: GlDevice,
  x: Input,
  codebook: Input,
  n: number,
): { indices: GpuTexture; distances: GpuTexture } {
  const [rows, d] = matrix(x.shape);
  const k = codebook.shape[0]!;
  const width = Math.ceil(d / 4);
  return withTemporaries(device, (temporary) => {
    const whole = (texture: GpuTexture, count: number) => {
      if (fills(d)) return texture;
      const steps = [0, d, 1] as const;
      return temporary(packRows(device, texture, { batch: 1, rows: count, n: d, steps }));
    };
    const points = whole(x.handle.low, rows);
    const words = whole(codebook.handle.low, k);
    const select = (kept: number, taken?: GpuTexture, groups = 0) => {
      const held = width <= HELD_TEXELS ? width : 0;
      const name = `nearest(${kept},${held},${taken !== undefined})`;
      const source = () => selectSource(kept, held, taken !== undefined);
      const more = taken ? [taken, groups] : [];
      const args = [points, words, k, width, ...more];
      return device.run(name, source, texelsOf(rows * kept), args);
    };
    let indices: GpuTexture;
    if (n <= 2) {
      indices = select(n);
    } else {
      // Four at a time, [N, 4]; those found before are left out.
      let found = select(4);
      for (let groups = 1; 4 * groups < n; groups++) {
        temporary(found);
        const next = temporary(select(4, found, groups));
        found = joinRows(device, [found, next], [4 * groups, 4], rows);
      }
      indices = found;
      const kept = 4 * Math.ceil(n / 4);
      if (kept > n) {
        temporary(found);
        indices = copy(device, found, 0, [
          { size: rows, steps: [kept] },
          { size: n, steps: [1] },
        ]);
      }
    }
    const args = [points, words, indices, n, width];
    const distances = device.run('distances', () => DISTANCES, texelsOf(rows * n), args);
    return { indices, distances };
  });
}

/**
 * The `kept` best of 4 / kept rows. Rows of `held` texels are kept in registers; 0 means that they
 * are read again. Codewords whose numbers are in `taken` [N, 4 groups] do not count.
 */
function selectSource(kept: number, held: number, hasTaken: boolean): ProgramSource {
  const rows = Array.from({ length: 4 / kept }, (_, row) => row);
  const texels = Array.from({ length: held }, (_, q) => q);
  const ranks = Array.from({ length: kept }, (_, rank) => rank);
  const perRow = (line: (row: number) => string) => rows.map(line).join('\n');
  const distance = (row: number) =>
    held > 0
      ? `let d${row} = ${texels.map((q) => `sqdist4(x${row}_${q}, c${q})`).join(' + ')};`
      : `let d${row} = 0.0;
         for (let q${row} = 0; q${row} < width; q${row}++) {
           d${row} += sqdist4(texel(x, (first + ${row}) * width + q${row}), texel(words, j * width + q${row}));
         }`;
  // The worst place first; whoever is better moves those behind it one place back.
  const insert = (row: number, rank: number): string => {
    const place = (from: number) =>
      `b${row}_${rank} = b${row}_${from}; p${row}_${rank} = p${row}_${from};`;
    const here = `b${row}_${rank} = d${row}; p${row}_${rank} = j;`;
    if (rank === 0) return here;
    return `if (d${row} < b${row}_${rank - 1}) { ${place(rank - 1)} ${insert(row, rank - 1)} } else { ${here} }`;
  };
  const worst = kept - 1;
  const skip = (row: number) =>
    hasTaken
      ? `for (let g = 0; g < groups; g++) {
           const t = texel(taken, (first + ${row}) * groups + g);
           if (whole(t[0]) == j || whole(t[1]) == j || whole(t[2]) == j || whole(t[3]) == j) {
             d${row} = ${BEYOND};
           }
         }`
      : '';
  return {
    args: {
      x: 'texture',
      words: 'texture',
      k: 'int',
      width: 'int',
      ...(hasTaken && ({ taken: 'texture', groups: 'int' } as const)),
    },
    body: `${TEXEL}
      const first = ${rows.length} * i;
      ${perRow((row) => texels.map((q) => `const x${row}_${q} = texel(x, (first + ${row}) * width + ${q});`).join('\n'))}
      ${perRow((row) => ranks.map((rank) => `let b${row}_${rank} = ${BEYOND}; let p${row}_${rank} = 0.0;`).join('\n'))}
      for (let j = 0; j < k; j++) {
        ${texels.map((q) => `const c${q} = texel(words, j * width + ${q});`).join('\n')}
        ${perRow(
          (row) => `${distance(row)}
            d${row} = Math.min(d${row}, ${FARTHEST});
            ${skip(row)}
            if (d${row} < b${row}_${worst}) { ${insert(row, worst)} }`,
        )}
      }
      return [${rows.flatMap((row) => ranks.map((rank) => `p${row}_${rank}`)).join(', ')}];`,
  };
}

const DISTANCES = elementSource(
  { x: 'texture', words: 'texture', indices: 'texture', n: 'int', width: 'int' },
  `
  int row = e / n * width;
  int word = whole(at(indices, e)) * width;
  float sum = 0.0;
  LOOP(q, 0, width)
    sum += sqdist4(texel(x, row + q), texel(words, word + q));
  }
  return sum;`,
);
