/**
 * Rows of a matrix that is stored as packed codes and a codebook, decoded where they are needed: a
 * few rows and at most some hundred columns at a time.
 */
import { NR } from './matmul-micro';
import { transposePanel } from './pack';

/** Bytes between decoded rows: not a power of two, which would share cache sets. */
const DECODED_BYTES: usize = 400 * 4;

/** What is known of a packed matrix; a view of argument words. */
@unmanaged
export class PackedMatrix {
  /** Bit stream of codes, least significant bit first, in whole words. */
  codes!: usize;
  /** Number of those words. */
  words!: u32;
  /** [groups k, d] */
  codebook!: usize;
  /** Codewords of one row group. */
  k!: u32;
  d!: u32;
  rowsPerGroup!: u32;
  /** Bits of one code, 1 to 16. */
  width!: u32;
}

/**
 * Panels of b [depth][NR], one after the other, from rows of a packed matrix [columns, k]: the
 * counterpart of `packColumnsOfB`, bit for bit.
 *
 * @param column first row of the matrix, a column of b
 * @param first where in k the pass begins; a multiple of 4
 * @param columnsOfMatrix all of k
 * @param space working memory for NR decoded rows
 */
export function packCodesOfB(
  matrix: PackedMatrix,
  column: i32,
  columns: i32,
  first: i32,
  depth: i32,
  columnsOfMatrix: i32,
  space: usize,
  to: usize,
): void {
  for (let j = 0; j < columns; j += NR) {
    const rows = min(NR, columns - j);
    for (let r = 0; r < rows; r++) {
      const at = space + <usize>r * DECODED_BYTES;
      decodeRow(matrix, column + j + r, first, depth, columnsOfMatrix, at);
    }
    transposePanel(space, DECODED_BYTES, depth, rows, to);
    to += <usize>depth << 5;
  }
}

/** Values [first, first + count) of one row. */
export function decodeRow(
  matrix: PackedMatrix,
  row: i32,
  first: i32,
  count: i32,
  columnsOfMatrix: i32,
  to: usize,
): void {
  const d = matrix.d;
  const width = matrix.width;
  const group = <usize>(<u32>row / matrix.rowsPerGroup);
  const book = matrix.codebook + ((group * matrix.k * d) << 2);
  const code = <u64>row * (<u32>columnsOfMatrix / d) + <u32>first / d;
  const bits = code * width;
  const from = matrix.codes + <usize>(bits >> 3);
  // Never read behind the stream: a code near its end is reached from the last word.
  const last = matrix.codes + (<usize>matrix.words << 2) - 4;
  const bit = <u32>bits & 7;
  const offset = <u32>first % d;
  const end = to + (<usize>count << 2);
  if (d == 4 && width == 8 && offset == 0) decodeBytes4(from, book, to, end);
  else if (d == 4 && offset == 0) decode4(from, bit, last, width, book, to, end);
  else if (d == 2 && offset == 0) decode2(from, bit, last, width, book, to, end);
  else if (d == 1) decode1(from, bit, last, width, book, to, end);
  else decodeAny(from, bit, last, width, book, to, end, d, offset);
}

/** The code that begins `bit` bits after `from`. */
// @ts-ignore: decorator
@inline
function codeAt(from: usize, bit: u32, last: usize, mask: u32): u32 {
  const at = min(from + (bit >> 3), last);
  return (load<u32>(at) >> (bit - ((<u32>(at - from)) << 3))) & mask;
}

function decodeBytes4(from: usize, book: usize, to: usize, end: usize): void {
  for (; to + 64 <= end; to += 64, from += 4) {
    const codes = load<u32>(from);
    v128.store(to, v128.load(book + ((codes & 255) << 4)));
    v128.store(to, v128.load(book + (((codes >> 8) & 255) << 4)), 16);
    v128.store(to, v128.load(book + (((codes >> 16) & 255) << 4)), 32);
    v128.store(to, v128.load(book + ((codes >> 24) << 4)), 48);
  }
  for (; to < end; to += 16, from++) v128.store(to, v128.load(book + (<usize>load<u8>(from) << 4)));
}

function decode4(
  from: usize,
  bit: u32,
  last: usize,
  width: u32,
  book: usize,
  to: usize,
  end: usize,
): void {
  const mask = (1 << width) - 1;
  for (; to < end; to += 16, bit += width) {
    v128.store(to, v128.load(book + (<usize>codeAt(from, bit, last, mask) << 4)));
  }
}

function decode2(
  from: usize,
  bit: u32,
  last: usize,
  width: u32,
  book: usize,
  to: usize,
  end: usize,
): void {
  const mask = (1 << width) - 1;
  for (; to < end; to += 8, bit += width) {
    store<u64>(to, load<u64>(book + (<usize>codeAt(from, bit, last, mask) << 3)));
  }
}

function decode1(
  from: usize,
  bit: u32,
  last: usize,
  width: u32,
  book: usize,
  to: usize,
  end: usize,
): void {
  const mask = (1 << width) - 1;
  for (; to < end; to += 4, bit += width) {
    store<u32>(to, load<u32>(book + (<usize>codeAt(from, bit, last, mask) << 2)));
  }
}

/** Any d; `offset` values of the first codeword are before the first that is wanted. */
function decodeAny(
  from: usize,
  bit: u32,
  last: usize,
  width: u32,
  book: usize,
  to: usize,
  end: usize,
  d: u32,
  offset: u32,
): void {
  const mask = (1 << width) - 1;
  for (; to < end; bit += width, offset = 0) {
    let word = book + ((<usize>codeAt(from, bit, last, mask) * d + offset) << 2);
    const stop = min(end, to + (<usize>(d - offset) << 2));
    for (; to + 16 <= stop; to += 16, word += 16) v128.store(to, v128.load(word));
    for (; to < stop; to += 4, word += 4) store<u32>(to, load<u32>(word));
  }
}
