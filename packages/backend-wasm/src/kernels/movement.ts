import { type KernelTensor, type Shape, sizeOf, stridesOf } from '@vq4dit/core';
import type { Engine } from '../engine.ts';
import type { KernelTable } from '../kernel-table.ts';
import { CHUNK_ELEMENTS, chunksOf, cutRows } from './chunks.ts';
import { reduceInto } from './reduce.ts';
import { type Axis, joinAxes, positions, runWalk } from './walk.ts';

/** Movement of 4-byte elements: float32 and int32 alike. */
export function movementKernels(engine: Engine): KernelTable {
  return {
    gatherRows(x, indices) {
      const d = x.shape[1]!;
      const count = indices.shape[0]!;
      const out = engine.allocate(4 * count * d);
      const perChunk = Math.max(1, Math.floor(CHUNK_ELEMENTS / d));
      const args = [x.handle, indices.handle, out, count, d, perChunk];
      engine.run('gatherRows', args, chunksOf(count, perChunk));
      return out;
    },
    scatterAddRows: (updates, indices, rows) => scatterAddRows(engine, updates, indices, rows),
    permute(x, axes) {
      const out = engine.allocate(4 * sizeOf(x.shape));
      permute(engine, x.handle, out, x.shape, axes);
      return out;
    },
    slice(x, begin, size) {
      const steps = stridesOf(x.shape);
      const stepsOut = stridesOf(size);
      const first = begin.reduce((offset, at, i) => offset + at * steps[i]!, 0);
      const out = engine.allocate(4 * sizeOf(size));
      copy(
        engine,
        x.handle + 4 * first,
        out,
        size.map((length, i) => ({ length, steps: [steps[i]!, stepsOut[i]!] })),
      );
      return out;
    },
    concat(xs, axis) {
      const total = xs.reduce((sum, { shape }) => sum + shape[axis]!, 0);
      const shape = xs[0]!.shape.map((length, i) => (i === axis ? total : length));
      const stepsOut = stridesOf(shape);
      const out = engine.allocate(4 * sizeOf(shape));
      let to = out;
      for (const x of xs) {
        const steps = stridesOf(x.shape);
        copy(
          engine,
          x.handle,
          to,
          x.shape.map((length, i) => ({ length, steps: [steps[i]!, stepsOut[i]!] })),
        );
        to += 4 * x.shape[axis]! * stepsOut[axis]!;
      }
      return out;
    },
  };
}

/** Copies along `axes` (source, target), outermost first. */
function copy(engine: Engine, source: number, target: number, axes: readonly Axis[]): void {
  const outer = joinAxes(axes);
  const last = outer.at(-1);
  // Rows are what lies side by side in both; else single elements.
  const length = last && last.steps[0] === 1 && last.steps[1] === 1 ? outer.pop()!.length : 1;
  const rows = positions(outer);
  const { rowsPerChunk, pieces, pieceLength, chunks } = cutRows(rows, length);
  const args = [source, target, rows, length, rowsPerChunk, pieces, pieceLength];
  runWalk(engine, 'copyRows', args, outer, chunks);
}

function permute(
  engine: Engine,
  source: number,
  target: number,
  shape: Shape,
  order: readonly number[],
): void {
  const steps = stridesOf(shape);
  const sizes = order.map((axis) => shape[axis]!);
  const stepsOut = stridesOf(sizes);
  // In the order of the result.
  const axes = joinAxes(
    order.map((axis, i) => ({ length: shape[axis]!, steps: [steps[axis]!, stepsOut[i]!] })),
  );
  // What lies side by side in the result, and what does in the source.
  const row = axes.at(-1);
  const column = axes.find((axis) => axis.steps[0] === 1);
  if (row === undefined || column === undefined || row === column) {
    copy(engine, source, target, axes);
    return;
  }
  const planes = axes.filter((axis) => axis !== row && axis !== column);
  const size = row.length * column.length;
  // A plane's pieces are of whole tiles of 16 columns.
  const pieceColumns = Math.min(column.length, 16 * Math.ceil(CHUNK_ELEMENTS / row.length / 16));
  const pieces = chunksOf(column.length, pieceColumns);
  const planesPerChunk = pieces === 1 ? Math.max(1, Math.floor(CHUNK_ELEMENTS / size)) : 1;
  const count = positions(planes);
  runWalk(
    engine,
    'transposePlanes',
    [
      ...[source, target, count, row.length, column.length, row.steps[0], column.steps[1]],
      ...[planesPerChunk, pieces, pieceColumns],
    ],
    planes,
    chunksOf(count, planesPerChunk) * pieces,
  );
}

/** Columns per block where rows are long; each thread then writes columns of its own. */
const BLOCK_COLUMNS = 128;
/** Pieces of the updates at most, where rows are short and few; each has a result of its own. */
const MOST_PIECES = 16;

function scatterAddRows(
  engine: Engine,
  updates: KernelTensor<number>,
  indices: KernelTensor<number>,
  rows: number,
): number {
  const [count, d] = updates.shape as [number, number];
  const out = engine.allocate(4 * rows * d);
  const isSmall = (count + rows) * d < 2 * CHUNK_ELEMENTS;
  const width = isSmall || d < 2 * BLOCK_COLUMNS ? d : BLOCK_COLUMNS;
  // The results of all pieces are at most half as large as the updates.
  const affordable = Math.floor(Math.min(MOST_PIECES, count / (2 * rows)));
  const useful = Math.floor((count * d) / CHUNK_ELEMENTS);
  const wanted = width < d ? 1 : Math.max(1, Math.min(affordable, useful));
  const pieceLength = Math.ceil(count / wanted);
  const pieces = chunksOf(count, pieceLength);
  const blocks = chunksOf(d, width);
  const run = (to: number) =>
    engine.run(
      'scatterAddRows',
      [updates.handle, indices.handle, to, count, d, rows, pieces, pieceLength, blocks, width],
      pieces * blocks,
    );
  if (pieces === 1) {
    run(out);
  } else {
    engine.withTemporary(4 * pieces * rows * d, (partial) => {
      run(partial);
      reduceInto(engine, 'sum', partial, out, 1, pieces, rows * d);
    });
  }
  return out;
}
