import { type KernelTensor, UnsupportedOpError } from '@vq4dit/core';
import type { Engine } from '../engine.ts';
import type { KernelGroup } from '../kernel-table.ts';
import { cutPartials, withPartials } from './partial-sums.ts';

/** Rows of a chunk, as assembly/nearest.ts has it. */
const CHUNK_ROWS = 512;
/** What the scratch memory of a thread holds, see assembly/nearest-rows.ts. */
const MAX_DIMENSION = 32768;
const MAX_NEAREST = 16384;
/** Longest sub-vectors that are searched in integers first, see assembly/int16-minima.ts. */
const INT16_MAX_DIMENSION = 14;

/** Searches for codewords: exact in float64, whatever vectors rule out before. */
export const nearestKernels: KernelGroup = (engine) => ({
  nearest(x, codebook, n) {
    const { rows, k, d } = searchShape(x, codebook, n);
    const indices = engine.allocate(4 * rows * n);
    const distances = engine.allocate(4 * rows * n);
    withPrepared(engine, codebook, (prepared) => {
      const tensors = [x.handle, codebook.handle, prepared, indices, distances];
      engine.run('nearest', [...tensors, rows, k, d, n], Math.ceil(rows / CHUNK_ROWS));
    });
    return { indices, distances };
  },

  lloydStep(x, codebook) {
    const { rows, k, d } = searchShape(x, codebook, 1);
    const width = k * (d + 1);
    const indices = engine.allocate(4 * rows);
    const sums = engine.allocate(4 * k * d);
    const counts = engine.allocate(4 * k);
    const { chunks, perChunk } = cutPartials(rows, width);
    withPartials(engine, chunks, width, (partials, add) => {
      withPrepared(engine, codebook, (prepared) => {
        const tensors = [x.handle, codebook.handle, prepared, indices, partials];
        engine.run('lloydStep', [...tensors, rows, k, d, perChunk], chunks);
      });
      add(0, k * d, sums);
      add(k * d, k, counts);
    });
    return { indices, sums, counts };
  },
});

function searchShape(x: KernelTensor<number>, codebook: KernelTensor<number>, n: number) {
  const [rows, d] = x.shape as [number, number];
  const k = codebook.shape[0]!;
  if (d > MAX_DIMENSION || n > MAX_NEAREST) {
    throw new UnsupportedOpError(
      `nearest on the wasm backend takes sub-vectors of at most ${MAX_DIMENSION} values and at most ` +
        `${MAX_NEAREST} codewords of each, not ${d} and ${n}; use another backend.`,
    );
  }
  return { rows, k, d };
}

/** Runs `body` with the address of the codebook in integers, or 0 where d is too large for them. */
function withPrepared(
  engine: Engine,
  codebook: KernelTensor<number>,
  body: (prepared: number) => void,
): void {
  const [k, d] = codebook.shape as [number, number];
  if (d > INT16_MAX_DIMENSION) {
    body(0);
    return;
  }
  engine.withTemporary(preparedBytes(k, d), (prepared) => {
    engine.run('prepareCodebook', [codebook.handle, prepared, k, d], 1);
    body(prepared);
  });
}

/** Bytes of a codebook in integers: a header, and in whole blocks of 8 an offset and pairs. */
export function preparedBytes(k: number, d: number): number {
  return 16 + 8 * Math.ceil(k / 8) * 4 * (1 + Math.ceil(d / 2));
}
