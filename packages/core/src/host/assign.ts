import type { CodewordLists } from './codeword-lists.ts';
import { insertNearest, squaredDistance } from './nearest.ts';

/** Assignments: 16 bits as long as the codebook allows it. */
export type AssignmentArray = Uint16Array | Int32Array;

/**
 * The nearest codeword of rows `from .. to - 1` of `x`, searched in the list of each row's leaf
 * only. Equal distances go to the lowest index. The result is that of comparing with all codewords.
 *
 * @param x [M, d]
 * @param codebook [k, d]
 * @param leafOf the leaf of row i at `offset + i`
 * @param assignments read (what it was) and written at `offset + i`
 * @param distances squared distance of row i, written at `i - from`
 * @returns how many assignments changed
 */
export function assignRows(
  x: Float32Array,
  d: number,
  from: number,
  to: number,
  codebook: Float64Array,
  lists: CodewordLists,
  leafOf: Uint16Array,
  offset: number,
  assignments: AssignmentArray,
  distances: Float64Array,
): number {
  const rows = d === 2 ? assign2 : d === 4 ? assign4 : d === 8 ? assign8 : assignAny;
  return rows(x, d, from, to, codebook, lists, leafOf, offset, assignments, distances);
}

function assign2(
  x: Float32Array,
  _d: number,
  from: number,
  to: number,
  c: Float64Array,
  { start, codewords }: CodewordLists,
  leafOf: Uint16Array,
  offset: number,
  assignments: AssignmentArray,
  distances: Float64Array,
): number {
  let changed = 0;
  for (let i = from; i < to; i++) {
    const x0 = x[2 * i]!;
    const x1 = x[2 * i + 1]!;
    const leaf = leafOf[offset + i]!;
    const end = start[leaf + 1]!;
    let best = Number.POSITIVE_INFINITY;
    let at = 0;
    for (let s = start[leaf]!; s < end; s++) {
      const j = codewords[s]!;
      const e0 = x0 - c[2 * j]!;
      const e1 = x1 - c[2 * j + 1]!;
      const sum = e0 * e0 + e1 * e1;
      if (sum < best) {
        best = sum;
        at = j;
      }
    }
    if (assignments[offset + i] !== at) {
      assignments[offset + i] = at;
      changed++;
    }
    distances[i - from] = best;
  }
  return changed;
}

function assign4(
  x: Float32Array,
  _d: number,
  from: number,
  to: number,
  c: Float64Array,
  { start, codewords }: CodewordLists,
  leafOf: Uint16Array,
  offset: number,
  assignments: AssignmentArray,
  distances: Float64Array,
): number {
  let changed = 0;
  for (let i = from; i < to; i++) {
    const x0 = x[4 * i]!;
    const x1 = x[4 * i + 1]!;
    const x2 = x[4 * i + 2]!;
    const x3 = x[4 * i + 3]!;
    const leaf = leafOf[offset + i]!;
    const end = start[leaf + 1]!;
    let best = Number.POSITIVE_INFINITY;
    let at = 0;
    for (let s = start[leaf]!; s < end; s++) {
      const j = codewords[s]!;
      const e0 = x0 - c[4 * j]!;
      const e1 = x1 - c[4 * j + 1]!;
      const e2 = x2 - c[4 * j + 2]!;
      const e3 = x3 - c[4 * j + 3]!;
      const sum = e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3;
      if (sum < best) {
        best = sum;
        at = j;
      }
    }
    if (assignments[offset + i] !== at) {
      assignments[offset + i] = at;
      changed++;
    }
    distances[i - from] = best;
  }
  return changed;
}

function assign8(
  x: Float32Array,
  _d: number,
  from: number,
  to: number,
  c: Float64Array,
  { start, codewords }: CodewordLists,
  leafOf: Uint16Array,
  offset: number,
  assignments: AssignmentArray,
  distances: Float64Array,
): number {
  let changed = 0;
  for (let i = from; i < to; i++) {
    const x0 = x[8 * i]!;
    const x1 = x[8 * i + 1]!;
    const x2 = x[8 * i + 2]!;
    const x3 = x[8 * i + 3]!;
    const x4 = x[8 * i + 4]!;
    const x5 = x[8 * i + 5]!;
    const x6 = x[8 * i + 6]!;
    const x7 = x[8 * i + 7]!;
    const leaf = leafOf[offset + i]!;
    const end = start[leaf + 1]!;
    let best = Number.POSITIVE_INFINITY;
    let at = 0;
    for (let s = start[leaf]!; s < end; s++) {
      const j = codewords[s]!;
      const e0 = x0 - c[8 * j]!;
      const e1 = x1 - c[8 * j + 1]!;
      const e2 = x2 - c[8 * j + 2]!;
      const e3 = x3 - c[8 * j + 3]!;
      const e4 = x4 - c[8 * j + 4]!;
      const e5 = x5 - c[8 * j + 5]!;
      const e6 = x6 - c[8 * j + 6]!;
      const e7 = x7 - c[8 * j + 7]!;
      const sum = e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3 + e4 * e4 + e5 * e5 + e6 * e6 + e7 * e7;
      if (sum < best) {
        best = sum;
        at = j;
      }
    }
    if (assignments[offset + i] !== at) {
      assignments[offset + i] = at;
      changed++;
    }
    distances[i - from] = best;
  }
  return changed;
}

function assignAny(
  x: Float32Array,
  d: number,
  from: number,
  to: number,
  c: Float64Array,
  { start, codewords }: CodewordLists,
  leafOf: Uint16Array,
  offset: number,
  assignments: AssignmentArray,
  distances: Float64Array,
): number {
  let changed = 0;
  for (let i = from; i < to; i++) {
    const leaf = leafOf[offset + i]!;
    const end = start[leaf + 1]!;
    let best = Number.POSITIVE_INFINITY;
    let at = 0;
    for (let s = start[leaf]!; s < end; s++) {
      const j = codewords[s]!;
      const sum = squaredDistance(x, i * d, c, j * d, d);
      if (sum < best) {
        best = sum;
        at = j;
      }
    }
    if (assignments[offset + i] !== at) {
      assignments[offset + i] = at;
      changed++;
    }
    distances[i - from] = best;
  }
  return changed;
}

/**
 * The n nearest codewords of rows `from .. to - 1` of `x`, from lists made for the same n.
 *
 * @param indices [N, n], written from row `offset + from`
 * @param distances [N, n], squared, ascending in each row
 */
export function assignManyRows(
  x: Float32Array,
  d: number,
  from: number,
  to: number,
  codebook: Float64Array,
  { start, codewords }: CodewordLists,
  leafOf: Uint16Array,
  offset: number,
  n: number,
  indices: AssignmentArray,
  distances: Float32Array,
): void {
  const best = new Float64Array(n);
  const at = new Int32Array(n);
  for (let i = from; i < to; i++) {
    const leaf = leafOf[offset + i]!;
    const end = start[leaf + 1]!;
    let held = 0;
    for (let s = start[leaf]!; s < end; s++) {
      const j = codewords[s]!;
      const sum = squaredDistance(x, i * d, codebook, j * d, d);
      if (held < n || sum < best[n - 1]!) held = insertNearest(best, at, held, n, sum, j);
    }
    for (let r = 0; r < n; r++) {
      indices[(offset + i) * n + r] = at[r]!;
      distances[(offset + i) * n + r] = best[r]!;
    }
  }
}
