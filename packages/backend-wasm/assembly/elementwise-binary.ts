/**
 * The contract's functions of two tensors. The host turns any broadcast into rows of one length,
 * along which either tensor moves on or stays; above the rows, a walk (see movement-walk.ts).
 *
 * Arguments: a, b, out; rows, their length; which one moves along a row (MOVE_BOTH, ...); rows per
 * chunk; pieces that a row is cut into, and their length; copies of a row that are joined (see
 * `joined`); table of axes, their number, the axes themselves.
 */
import { axesTable, offsetOf, runLength, runStep } from './movement-walk';
import { scratch } from './scratch';

const ADD = 0;
const SUB = 1;
const MUL = 2;
const DIV = 3;
const MAXIMUM = 4;
const MINIMUM = 5;
const GREATER = 6;

const MOVE_BOTH = 0;
const MOVE_A = 1;
const MOVE_B = 2;

const ONE = memory.data<f32>([1]);

/** The choice is made at compile time: `op` is a constant wherever this is used. */
// @ts-ignore: decorator
@inline
function apply(op: i32, a: v128, b: v128): v128 {
  if (op == ADD) return f32x4.add(a, b);
  if (op == SUB) return f32x4.sub(a, b);
  if (op == MUL) return f32x4.mul(a, b);
  if (op == DIV) return f32x4.div(a, b);
  if (op == MAXIMUM) return f32x4.max(a, b);
  if (op == MINIMUM) return f32x4.min(a, b);
  return v128.and(f32x4.gt(a, b), v128.load32_splat(ONE));
}

/**
 * A vector of a tensor. T is v128 where the tensor moves along a row; where it is one number, T is
 * f32 and the number is in all lanes of `fixed`. As types the two make separate loops for certain;
 * flags would not, for the optimizer folds loops that differ in a flag.
 */
// @ts-ignore: decorator
@inline
function next<T>(x: usize, fixed: v128, offset: usize): v128 {
  return isVector<T>() ? v128.load(x + offset) : fixed;
}

// @ts-ignore: decorator
@inline
function nextOne<T>(x: usize, fixed: v128): v128 {
  return isVector<T>() ? v128.load32_splat(x) : fixed;
}

/** out = a op b of `length` elements; see {@link next} for A and B. */
// @ts-ignore: decorator
@inline
function combine<A, B>(op: i32, a: usize, b: usize, y: usize, length: i32): void {
  const fixedA = isVector<A>() ? i32x4.splat(0) : v128.load32_splat(a);
  const fixedB = isVector<B>() ? i32x4.splat(0) : v128.load32_splat(b);
  let left = length;
  for (; left >= 16; left -= 16) {
    const r0 = apply(op, next<A>(a, fixedA, 0), next<B>(b, fixedB, 0));
    const r1 = apply(op, next<A>(a, fixedA, 16), next<B>(b, fixedB, 16));
    const r2 = apply(op, next<A>(a, fixedA, 32), next<B>(b, fixedB, 32));
    const r3 = apply(op, next<A>(a, fixedA, 48), next<B>(b, fixedB, 48));
    v128.store(y, r0);
    v128.store(y, r1, 16);
    v128.store(y, r2, 32);
    v128.store(y, r3, 48);
    if (isVector<A>()) a += 64;
    if (isVector<B>()) b += 64;
    y += 64;
  }
  for (; left >= 4; left -= 4) {
    v128.store(y, apply(op, next<A>(a, fixedA, 0), next<B>(b, fixedB, 0)));
    if (isVector<A>()) a += 16;
    if (isVector<B>()) b += 16;
    y += 16;
  }
  for (; left > 0; left--) {
    v128.store32_lane(y, apply(op, nextOne<A>(a, fixedA), nextOne<B>(b, fixedB)), 0);
    if (isVector<A>()) a += 4;
    if (isVector<B>()) b += 4;
    y += 4;
  }
}

/** Rows of four elements against a column: a vector each, without the loops around it. */
// @ts-ignore: decorator
@inline
function combineFours<A, B>(op: i32, a: usize, b: usize, y: usize, rows: i32, stepA: usize, stepB: usize): void {
  for (; rows > 0; rows--) {
    const a0 = isVector<A>() ? v128.load(a) : v128.load32_splat(a);
    const b0 = isVector<B>() ? v128.load(b) : v128.load32_splat(b);
    v128.store(y, apply(op, a0, b0));
    a += stepA;
    b += stepB;
    y += 16;
  }
}

/** `rows` rows, of which each tensor's next one is `stepA`, `stepB` and `stepY` bytes further. */
// @ts-ignore: decorator
@inline
function combineRows(
  op: i32,
  moves: i32,
  a: usize,
  b: usize,
  y: usize,
  length: i32,
  rows: i32,
  stepA: usize,
  stepB: usize,
  stepY: usize,
): void {
  if (length == 4 && moves != MOVE_BOTH) {
    if (moves == MOVE_A) combineFours<v128, f32>(op, a, b, y, rows, stepA, stepB);
    else combineFours<f32, v128>(op, a, b, y, rows, stepA, stepB);
    return;
  }
  for (let row = 0; row < rows; row++) {
    if (moves == MOVE_BOTH) combine<v128, v128>(op, a, b, y, length);
    else if (moves == MOVE_A) combine<v128, f32>(op, a, b, y, length);
    else combine<f32, v128>(op, a, b, y, length);
    a += stepA;
    b += stepB;
    y += stepY;
  }
}

/**
 * One short row against many: the short one is copied until it is `copies` rows long, so that the
 * loops over the elements are long enough. `rows` rows of the other tensor and of the result follow
 * each other without gaps.
 */
// @ts-ignore: decorator
@inline
function combineJoined(op: i32, a: usize, b: usize, y: usize, length: i32, rows: i32, copies: i32, isA: bool): void {
  const joined = scratch();
  const bytes = <usize>length << 2;
  for (let i = 0; i < copies; i++) memory.copy(joined + <usize>i * bytes, isA ? a : b, bytes);
  const step = <usize>copies * bytes;
  for (let row = 0; row < rows; row += copies) {
    const count = min(copies, rows - row) * length;
    if (isA) combine<v128, v128>(op, joined, b, y, count);
    else combine<v128, v128>(op, a, joined, y, count);
    a += step;
    b += step;
    y += step;
  }
}

// @ts-ignore: decorator
@inline
function broadcast(op: i32, args: usize, begin: i32, end: i32): void {
  const a = load<usize>(args);
  const b = load<usize>(args, 4);
  const out = load<usize>(args, 8);
  const rows = load<i32>(args, 12);
  const length = load<i32>(args, 16);
  const moves = load<i32>(args, 20);
  const perChunk = load<i32>(args, 24);
  const pieces = load<i32>(args, 28);
  const pieceLength = load<i32>(args, 32);
  const copies = load<i32>(args, 36);
  const table = axesTable(load<usize>(args, 40), args + 48);
  const axes = load<i32>(args, 44);
  const run = runLength(table);
  const stepA = runStep(table, 0);
  const stepB = runStep(table, 1);
  const stepY = <usize>length << 2;

  for (let chunk = begin; chunk < end; chunk++) {
    const column = (chunk % pieces) * pieceLength;
    const columns = min(pieceLength, length - column);
    const columnBytes = <usize>column << 2;
    let row = (chunk / pieces) * perChunk;
    const last = min(row + perChunk, rows);
    while (row < last) {
      const count = min(run - (row % run), last - row);
      let fromA = a + offsetOf(table, axes, row, 0);
      let fromB = b + offsetOf(table, axes, row, 1);
      const to = out + <usize>row * stepY + columnBytes;
      if (copies > 1) {
        combineJoined(op, fromA, fromB, to, length, count, copies, stepA == 0);
      } else {
        if (moves != MOVE_B) fromA += columnBytes;
        if (moves != MOVE_A) fromB += columnBytes;
        combineRows(op, moves, fromA, fromB, to, columns, count, stepA, stepB, stepY);
      }
      row += count;
    }
  }
}

export function binary_add(args: usize, begin: i32, end: i32): void {
  broadcast(ADD, args, begin, end);
}

export function binary_sub(args: usize, begin: i32, end: i32): void {
  broadcast(SUB, args, begin, end);
}

export function binary_mul(args: usize, begin: i32, end: i32): void {
  broadcast(MUL, args, begin, end);
}

export function binary_div(args: usize, begin: i32, end: i32): void {
  broadcast(DIV, args, begin, end);
}

export function binary_maximum(args: usize, begin: i32, end: i32): void {
  broadcast(MAXIMUM, args, begin, end);
}

export function binary_minimum(args: usize, begin: i32, end: i32): void {
  broadcast(MINIMUM, args, begin, end);
}

export function binary_greater(args: usize, begin: i32, end: i32): void {
  broadcast(GREATER, args, begin, end);
}
