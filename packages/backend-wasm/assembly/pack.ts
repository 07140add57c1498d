/**
 * Packing: the operands of a product are copied, a block at a time, into the order in which
 * `matmul-micro.ts` reads them. Inner products of [rows, k] by [k, columns].
 */
import { MR, NR, ROW_BYTES } from './matmul-micro';

/**
 * A panel of a, from rows: [rows][k], ROW_BYTES apart.
 *
 * @param a first element, in a matrix whose rows are `lda` bytes apart
 */
export function packRowsOfA(a: usize, lda: usize, rows: i32, k: i32, to: usize): void {
  for (let i = 0; i < rows; i++) {
    let from = a + <usize>i * lda;
    let at = to + <usize>i * ROW_BYTES;
    const end = at + (<usize>k << 2);
    for (; at + 64 <= end; at += 64, from += 64) {
      const x0 = v128.load(from), x1 = v128.load(from, 16);
      const x2 = v128.load(from, 32), x3 = v128.load(from, 48);
      v128.store(at, x0);
      v128.store(at, x1, 16);
      v128.store(at, x2, 32);
      v128.store(at, x3, 48);
    }
    for (; at < end; at += 4, from += 4) store<f32>(at, load<f32>(from));
  }
}

/**
 * A panel of a, from its transpose: [k][MR].
 *
 * @param a first element, in a matrix [k, rows] whose rows are `lda` bytes apart
 */
export function packColumnsOfA(a: usize, lda: usize, rows: i32, k: i32, to: usize): void {
  if (rows == MR) {
    for (let i = 0; i < k; i++, a += lda, to += <usize>MR * 4) {
      v128.store(to, v128.load(a));
      if (MR == 6) store<u64>(to, load<u64>(a, 16), 16);
    }
  } else {
    for (let i = 0; i < k; i++, a += lda, to += <usize>MR * 4) {
      for (let j = 0; j < rows; j++) {
        store<f32>(to + (<usize>j << 2), load<f32>(a + (<usize>j << 2)));
      }
    }
  }
}

/**
 * Panels of b [k][NR], one after the other, from a matrix [k, columns] whose rows are `ldb` bytes
 * apart. The last panel is filled up with zeros.
 */
export function packRowsOfB(b: usize, ldb: usize, k: i32, columns: i32, to: usize): void {
  const panel = <usize>k << 5;
  const whole = columns & ~(NR - 1);
  // A few rows at a time: read along the rows, while what is written fills whole cache lines.
  for (let i = 0; i < k; i += 4) {
    const rows = min(4, k - i);
    for (let r = 0; r < rows; r++) {
      let from = b + <usize>(i + r) * ldb;
      let at = to + (<usize>(i + r) << 5);
      let j = 0;
      for (; j < whole; j += NR, at += panel, from += 32) {
        v128.store(at, v128.load(from));
        v128.store(at, v128.load(from, 16), 16);
      }
      if (j < columns) {
        v128.store(at, i64x2.splat(0));
        v128.store(at, i64x2.splat(0), 16);
        for (; j < columns; j++, at += 4, from += 4) store<f32>(at, load<f32>(from));
      }
    }
  }
}

/**
 * Panels of b [k][NR], one after the other, from its transpose: a matrix [columns, k] whose rows are
 * `ldb` bytes apart. The last panel is filled up with zeros.
 */
export function packColumnsOfB(b: usize, ldb: usize, k: i32, columns: i32, to: usize): void {
  for (let j = 0; j < columns; j += NR) {
    transposePanel(b + <usize>j * ldb, ldb, k, min(NR, columns - j), to);
    to += <usize>k << 5;
  }
}

/** One panel [k][NR] from at most NR rows of k values each, `ld` bytes apart. */
export function transposePanel(from: usize, ld: usize, k: i32, rows: i32, to: usize): void {
  let i = 0;
  if (rows == NR) {
    const r1 = ld, r2 = ld * 2, r3 = ld * 3, half = ld * 4;
    for (; i <= k - 4; i += 4, from += 16, to += 128) {
      transpose4(from, r1, r2, r3, to);
      transpose4(from + half, r1, r2, r3, to + 16);
    }
  }
  for (; i < k; i++, from += 4, to += 32) {
    if (rows < NR) {
      v128.store(to, i64x2.splat(0));
      v128.store(to, i64x2.splat(0), 16);
    }
    for (let r = 0; r < rows; r++) {
      store<f32>(to + (<usize>r << 2), load<f32>(from + <usize>r * ld));
    }
  }
}

/** 4 x 4 values; rows of the result are 32 bytes apart. */
// @ts-ignore: decorator
@inline
function transpose4(from: usize, r1: usize, r2: usize, r3: usize, to: usize): void {
  const a = v128.load(from);
  const b = v128.load(from + r1);
  const c = v128.load(from + r2);
  const d = v128.load(from + r3);
  const ab0 = v128.shuffle<f32>(a, b, 0, 4, 1, 5);
  const ab1 = v128.shuffle<f32>(a, b, 2, 6, 3, 7);
  const cd0 = v128.shuffle<f32>(c, d, 0, 4, 1, 5);
  const cd1 = v128.shuffle<f32>(c, d, 2, 6, 3, 7);
  v128.store(to, v128.shuffle<f64>(ab0, cd0, 0, 2));
  v128.store(to, v128.shuffle<f64>(ab0, cd0, 1, 3), 32);
  v128.store(to, v128.shuffle<f64>(ab1, cd1, 0, 2), 64);
  v128.store(to, v128.shuffle<f64>(ab1, cd1, 1, 3), 96);
}
