/**
 * Transposes of 4-byte elements: permutations that move the last axis. Of each plane of the axes
 * that change places, source [rows, columns] becomes target [columns, rows].
 */
import { axesTable, offsetOf } from './movement-walk';

/** Columns that are worked on at a time: the elements of one cache line. */
const TILE: i32 = 16;

/**
 * Arguments: source, target; planes, rows, columns; elements from row to row in the source, from
 * column to column in the target; planes per chunk; pieces of the columns, columns per piece; table
 * of axes (source, target), their number, the axes themselves.
 */
export function transposePlanes(args: usize, begin: i32, end: i32): void {
  const source = load<usize>(args);
  const target = load<usize>(args, 4);
  const planes = load<i32>(args, 8);
  const rows = load<i32>(args, 12);
  const columns = load<i32>(args, 16);
  const stepFrom = load<usize>(args, 20) << 2;
  const stepTo = load<usize>(args, 24) << 2;
  const perChunk = load<i32>(args, 28);
  const pieces = load<i32>(args, 32);
  const pieceColumns = load<i32>(args, 36);
  const table = axesTable(load<usize>(args, 40), args + 48);
  const axes = load<i32>(args, 44);

  for (let chunk = begin; chunk < end; chunk++) {
    const column = (chunk % pieces) * pieceColumns;
    const width = min(pieceColumns, columns - column);
    const first = (chunk / pieces) * perChunk;
    const last = min(first + perChunk, planes);
    for (let plane = first; plane < last; plane++) {
      const from = source + offsetOf(table, axes, plane, 0) + (<usize>column << 2);
      const to = target + offsetOf(table, axes, plane, 1) + <usize>column * stepTo;
      transpose(to, from, rows, width, stepTo, stepFrom);
    }
  }
}

function transpose(to: usize, from: usize, rows: i32, columns: i32, stepTo: usize, stepFrom: usize): void {
  const whole = rows & ~3;
  for (let column = 0; column < columns; column += TILE) {
    const width = min(TILE, columns - column);
    let source = from + (<usize>column << 2);
    let target = to + <usize>column * stepTo;
    let row = 0;
    for (; row < whole; row += 4) {
      let c = 0;
      for (; c + 4 <= width; c += 4) {
        square(target + <usize>c * stepTo, source + (<usize>c << 2), stepTo, stepFrom);
      }
      for (; c < width; c++) {
        const p = source + (<usize>c << 2);
        let x = v128.load32_zero(p);
        x = v128.load32_lane(p + stepFrom, x, 1);
        x = v128.load32_lane(p + 2 * stepFrom, x, 2);
        x = v128.load32_lane(p + 3 * stepFrom, x, 3);
        v128.store(target + <usize>c * stepTo, x);
      }
      source += 4 * stepFrom;
      target += 16;
    }
    for (; row < rows; row++) {
      for (let c = 0; c < width; c++) {
        store<i32>(target + <usize>c * stepTo, load<i32>(source + (<usize>c << 2)));
      }
      source += stepFrom;
      target += 4;
    }
  }
}

/** Four rows of four. */
// @ts-ignore: decorator
@inline
function square(to: usize, from: usize, stepTo: usize, stepFrom: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + stepFrom);
  const c = v128.load(from + 2 * stepFrom);
  const d = v128.load(from + 3 * stepFrom);
  const ab01 = v128.shuffle<i32>(a, b, 0, 4, 1, 5);
  const cd01 = v128.shuffle<i32>(c, d, 0, 4, 1, 5);
  const ab23 = v128.shuffle<i32>(a, b, 2, 6, 3, 7);
  const cd23 = v128.shuffle<i32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<i64>(ab01, cd01, 0, 2));
  v128.store(to + stepTo, v128.shuffle<i64>(ab01, cd01, 1, 3));
  v128.store(to + 2 * stepTo, v128.shuffle<i64>(ab23, cd23, 0, 2));
  v128.store(to + 3 * stepTo, v128.shuffle<i64>(ab23, cd23, 1, 3));
}
