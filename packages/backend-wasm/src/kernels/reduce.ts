import type { ReduceOp } from '@vq4dit/core';
import type { Engine } from '../engine.ts';
import type { KernelTable } from '../kernel-table.ts';
import { CHUNK_ELEMENTS, chunksOf } from './chunks.ts';

/** Pieces that a sum is cut into at most, and what their lengths are multiples of. */
const MOST_PIECES = 64;
const ROWS_TOGETHER = 8;

/** Sums, maxima and the index of the minimum. */
export function reduceKernels(engine: Engine): KernelTable {
  return {
    reduce(op, x) {
      const [outer, n, inner] = x.shape as [number, number, number];
      const out = engine.allocate(4 * outer * inner);
      reduceInto(engine, op, x.handle, out, outer, n, inner);
      return out;
    },
    argmin(x) {
      const [rows, n] = x.shape as [number, number];
      const out = engine.allocate(4 * rows);
      const perChunk = Math.max(1, Math.floor(CHUNK_ELEMENTS / n));
      engine.run('argmin', [x.handle, out, rows, n, perChunk], chunksOf(rows, perChunk));
      return out;
    },
  };
}

/**
 * x [outer, n, inner] -> out [outer, inner]. Where `outer` and `inner` give too few pieces of work,
 * n is cut as well and the pieces are reduced again.
 */
export function reduceInto(
  engine: Engine,
  op: ReduceOp,
  x: number,
  out: number,
  outer: number,
  n: number,
  inner: number,
): void {
  const pieceLength = cutLength(outer, n, inner);
  const pieces = chunksOf(n, pieceLength);
  if (pieces === 1) {
    runReduce(engine, op, x, out, outer, n, inner, n);
    return;
  }
  engine.withTemporary(4 * outer * pieces * inner, (partial) => {
    runReduce(engine, op, x, partial, outer, n, inner, pieceLength);
    runReduce(engine, op, partial, out, outer, pieces, inner, pieces);
  });
}

/** Length of the pieces of n: about a chunk of elements each, but no more of them than are useful. */
function cutLength(outer: number, n: number, inner: number): number {
  const enough = outer * inner * Math.min(n, 64) >= MOST_PIECES * CHUNK_ELEMENTS;
  if (enough || outer * n * inner < 2 * CHUNK_ELEMENTS) return n;
  const pieces = Math.max(1, Math.floor(MOST_PIECES / outer));
  const length = Math.max(n / pieces, CHUNK_ELEMENTS / inner);
  return Math.min(n, ROWS_TOGETHER * Math.ceil(length / ROWS_TOGETHER));
}

/** x [outer, n, inner] -> out [outer, pieces, inner]. */
function runReduce(
  engine: Engine,
  op: ReduceOp,
  x: number,
  out: number,
  outer: number,
  n: number,
  inner: number,
  pieceLength: number,
): void {
  const pieces = chunksOf(n, pieceLength);
  const blocks = inner === 1 ? 1 : chunksOf(inner, CHUNK_ELEMENTS / 8);
  const width = Math.ceil(inner / blocks);
  const items = outer * pieces * blocks;
  const perChunk = Math.max(1, Math.floor(CHUNK_ELEMENTS / (pieceLength * width)));
  const shape = inner === 1 ? [outer, n] : [outer, n, inner];
  const columns = inner === 1 ? [] : [blocks, width];
  const args = [x, out, ...shape, perChunk, pieces, pieceLength, ...columns];
  const kernel = `reduce_${op}_${inner === 1 ? 'rows' : 'columns'}`;
  engine.run(kernel, args, chunksOf(items, perChunk));
}
