/** Rows of a matrix by their numbers: taken from it, or added to it. */
import { copyElements } from './movement-elements';

/** Arguments: x [N, d], indices [M], out [M, d]; M, d; rows per chunk. 4-byte elements. */
export function gatherRows(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args);
  const count = load<i32>(args, 12);
  const d = load<i32>(args, 16);
  const perChunk = load<i32>(args, 20);
  const first = begin * perChunk;
  const bytes = <usize>d << 2;
  let index = load<usize>(args, 4) + (<usize>first << 2);
  const last = load<usize>(args, 4) + (<usize>min(end * perChunk, count) << 2);
  let out = load<usize>(args, 8) + <usize>first * bytes;
  if (d == 1) {
    for (; index < last; index += 4) {
      store<i32>(out, load<i32>(x + (load<usize>(index) << 2)));
      out += 4;
    }
  } else if (d == 2) {
    for (; index < last; index += 4) {
      store<i64>(out, load<i64>(x + (load<usize>(index) << 3)));
      out += 8;
    }
  } else if (d == 4) {
    for (; index < last; index += 4) {
      v128.store(out, v128.load(x + (load<usize>(index) << 4)));
      out += 16;
    }
  } else {
    for (; index < last; index += 4) {
      copyElements(out, x + load<usize>(index) * bytes, bytes);
      out += bytes;
    }
  }
}

/**
 * Arguments: updates [M, d], indices [M], out [pieces, rows, d]; M, d, rows; pieces of M, their
 * length; blocks of columns, columns per block. A chunk is one piece and one block: it sets its part
 * of the result to 0 and adds in the order of the updates. The host adds the pieces up.
 */
export function scatterAddRows(args: usize, begin: i32, end: i32): void {
  const updates = load<usize>(args);
  const indices = load<usize>(args, 4);
  const out = load<usize>(args, 8);
  const count = load<i32>(args, 12);
  const d = load<i32>(args, 16);
  const rows = load<i32>(args, 20);
  const pieceLength = load<i32>(args, 28);
  const blocks = load<i32>(args, 32);
  const blockColumns = load<i32>(args, 36);
  const step = <usize>d << 2;
  for (let chunk = begin; chunk < end; chunk++) {
    const piece = chunk / blocks;
    const column = (chunk - piece * blocks) * blockColumns;
    const width = min(blockColumns, d - column);
    const first = piece * pieceLength;
    const last = min(first + pieceLength, count);
    const to = out + <usize>piece * <usize>rows * step + (<usize>column << 2);
    const from = updates + <usize>first * step + (<usize>column << 2);
    clear(to, rows, width, step);
    addRows(to, from, indices + (<usize>first << 2), last - first, width, step);
  }
}

function clear(to: usize, rows: i32, columns: i32, step: usize): void {
  const bytes = <usize>columns << 2;
  if (bytes == step) {
    memory.fill(to, 0, <usize>rows * step);
    return;
  }
  for (; rows > 0; rows--) {
    memory.fill(to, 0, bytes);
    to += step;
  }
}

function addRows(out: usize, from: usize, index: usize, count: i32, columns: i32, step: usize): void {
  const last = index + (<usize>count << 2);
  if (columns == 4) {
    for (; index < last; index += 4) {
      const to = out + load<usize>(index) * step;
      v128.store(to, f32x4.add(v128.load(to), v128.load(from)));
      from += step;
    }
    return;
  }
  for (; index < last; index += 4) {
    let to = out + load<usize>(index) * step;
    let x = from;
    let left = columns;
    for (; left >= 4; left -= 4) {
      v128.store(to, f32x4.add(v128.load(to), v128.load(x)));
      to += 16;
      x += 16;
    }
    for (; left > 0; left--) {
      store<f32>(to, load<f32>(to) + load<f32>(x));
      to += 4;
      x += 4;
    }
    from += step;
  }
}
