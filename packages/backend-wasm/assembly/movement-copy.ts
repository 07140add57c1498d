/** Copies of rows of 4-byte elements between tensors with strides: permute, slice and concat. */
import { copyElements } from './movement-elements';
import { axesTable, offsetOf, runLength, runStep } from './movement-walk';

/**
 * Arguments: source, target; rows, elements of a row; rows per chunk; pieces that a row is cut into,
 * their length; table of axes (source, target), their number, the axes themselves.
 */
export function copyRows(args: usize, begin: i32, end: i32): void {
  const source = load<usize>(args);
  const target = load<usize>(args, 4);
  const rows = load<i32>(args, 8);
  const length = load<i32>(args, 12);
  const perChunk = load<i32>(args, 16);
  const pieces = load<i32>(args, 20);
  const pieceLength = load<i32>(args, 24);
  const table = axesTable(load<usize>(args, 28), args + 36);
  const axes = load<i32>(args, 32);
  const run = runLength(table);
  const stepFrom = runStep(table, 0);
  const stepTo = runStep(table, 1);

  for (let chunk = begin; chunk < end; chunk++) {
    const column = (chunk % pieces) * pieceLength;
    const bytes = <usize>min(pieceLength, length - column) << 2;
    let row = (chunk / pieces) * perChunk;
    const last = min(row + perChunk, rows);
    while (row < last) {
      const count = min(run - (row % run), last - row);
      const from = source + offsetOf(table, axes, row, 0) + (<usize>column << 2);
      const to = target + offsetOf(table, axes, row, 1) + (<usize>column << 2);
      copyRun(to, from, count, bytes, stepTo, stepFrom);
      row += count;
    }
  }
}

/** `count` rows on end. */
function copyRun(to: usize, from: usize, count: i32, bytes: usize, stepTo: usize, stepFrom: usize): void {
  if (bytes == 4) {
    for (; count > 0; count--) {
      store<i32>(to, load<i32>(from));
      to += stepTo;
      from += stepFrom;
    }
  } else if (bytes == 16) {
    for (; count > 0; count--) {
      v128.store(to, v128.load(from));
      to += stepTo;
      from += stepFrom;
    }
  } else {
    for (; count > 0; count--) {
      copyElements(to, from, bytes);
      to += stepTo;
      from += stepFrom;
    }
  }
}
