import type { BinaryOp, Shape, UnaryOp } from '@vq4dit/core';
import { sizeOf } from '@vq4dit/core';
import type { Engine } from '../engine.ts';
import type { KernelTable } from '../kernel-table.ts';
import { CHUNK_ELEMENTS, chunksOf, cutRows } from './chunks.ts';
import { type Axis, joinAxes, positions, runWalk } from './walk.ts';

/** Which operands move along a row: both, or one while the other stays; see elementwise-binary.ts. */
const [MOVE_BOTH, MOVE_A, MOVE_B] = [0, 1, 2];

/** Elements that a short row is repeated for when it meets many others, and what counts as short. */
const JOINED_ELEMENTS = 1024;
const SHORT_ROW = 64;

/** Chunks of functions with polynomials are shorter: they take four times as long. */
const SLOW: ReadonlySet<UnaryOp> = new Set(['exp', 'log', 'sin', 'cos', 'tanh', 'sigmoid']);

/** Functions of one tensor and of two with broadcasting. */
export function elementwiseKernels(engine: Engine): KernelTable {
  return {
    unary(op, x) {
      const size = sizeOf(x.shape);
      const perChunk = SLOW.has(op) ? CHUNK_ELEMENTS / 4 : CHUNK_ELEMENTS;
      const out = engine.allocate(4 * size);
      const args = [x.handle, out, size, perChunk];
      engine.run(`unary_${op}`, args, chunksOf(size, perChunk));
      return out;
    },
    binary(op, a, b, shape) {
      const out = engine.allocate(4 * sizeOf(shape));
      const axes = broadcastAxes(a.shape, b.shape, shape);
      runBinary(engine, op, [a.handle, b.handle, out], axes);
      return out;
    },
  };
}

/** The axes of the result; an operand does not move along those on which it is stretched. */
function broadcastAxes(a: Shape, b: Shape, shape: Shape): Axis[] {
  const stepsA = broadcastSteps(a, shape);
  const stepsB = broadcastSteps(b, shape);
  return joinAxes(shape.map((length, i) => ({ length, steps: [stepsA[i]!, stepsB[i]!] })));
}

function broadcastSteps(from: Shape, to: Shape): number[] {
  const steps = new Array<number>(to.length).fill(0);
  let step = 1;
  for (let i = from.length - 1; i >= 0; i--) {
    if (from[i] !== 1) steps[to.length - from.length + i] = step;
    step *= from[i]!;
  }
  return steps;
}

function runBinary(engine: Engine, op: BinaryOp, addresses: readonly number[], axes: Axis[]): void {
  const row: Axis = axes.pop() ?? { length: 1, steps: [1, 1] };
  const rows = positions(axes);
  const moves = row.steps[0] === 0 ? MOVE_B : row.steps[1] === 0 ? MOVE_A : MOVE_BOTH;
  const { rowsPerChunk, pieces, pieceLength, chunks } = cutRows(rows, row.length);
  const repeats = axes.at(-1)?.steps.includes(0) ?? false;
  const copies =
    moves === MOVE_BOTH && repeats && row.length < SHORT_ROW
      ? Math.ceil(JOINED_ELEMENTS / row.length)
      : 1;
  const cut = [rowsPerChunk, pieces, pieceLength, copies];
  const args = [...addresses, rows, row.length, moves!, ...cut];
  runWalk(engine, `binary_${op}`, args, axes, chunks);
}
