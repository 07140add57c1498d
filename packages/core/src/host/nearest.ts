import { ArgumentError, ShapeError } from '../errors.ts';

/** The n nearest codewords of each row. */
export interface NearestCodewords {
  /** [N, n], nearest first */
  readonly indices: Int32Array;
  /** [N, n], squared Euclidean distances, ascending */
  readonly distances: Float32Array;
}

/**
 * The `n` nearest codewords of every row of `x`, by comparing with all of them.
 *
 * Distances are summed in float64, one axis after the other, and rounded to float32 only when they
 * are stored, so the choice is the float64 optimum. Equal distances go to the lowest index. A
 * distance that is NaN counts as infinite: it never wins, and a row without any finite distance
 * gets the indices 0 .. n - 1 with distance Infinity. Memory is that of the result; no [N, k] table
 * is built.
 *
 * @param x [N, d], flat
 * @param codebook [k, d], flat
 * @param n 1 to k
 * @throws ArgumentError for d < 1 or n outside 1 to k; ShapeError when d does not divide a length
 */
export function nearestCodewords(
  x: Float32Array,
  codebook: Float32Array,
  d: number,
  n = 1,
): NearestCodewords {
  if (!Number.isInteger(d) || d < 1) {
    throw new ArgumentError(`The sub-vector length must be a positive integer, not ${d}.`);
  }
  if (x.length % d !== 0 || codebook.length % d !== 0) {
    throw new ShapeError(
      `Rows of ${d} do not divide ${x.length} values and a codebook of ${codebook.length}.`,
    );
  }
  const k = codebook.length / d;
  if (!Number.isInteger(n) || n < 1 || n > k) {
    throw new ArgumentError(`Cannot take the ${n} nearest of ${k} codewords.`);
  }
  const rows = x.length / d;
  const indices = new Int32Array(rows * n);
  const distances = new Float32Array(rows * n);
  const c = Float64Array.from(codebook);
  if (n > 1) {
    nearestMany(x, c, d, n, indices, distances);
  } else if (d === 2) {
    nearest2(x, c, indices, distances);
  } else if (d === 4) {
    nearest4(x, c, indices, distances);
  } else if (d === 8) {
    nearest8(x, c, indices, distances);
  } else {
    nearestAny(x, c, d, indices, distances);
  }
  return { indices, distances };
}

function nearest2(x: Float32Array, c: Float64Array, index: Int32Array, distance: Float32Array) {
  for (let i = 0; i < index.length; i++) {
    const x0 = x[2 * i]!;
    const x1 = x[2 * i + 1]!;
    let best = Number.POSITIVE_INFINITY;
    let at = 0;
    for (let j = 0; j < c.length; j += 2) {
      const e0 = x0 - c[j]!;
      const e1 = x1 - c[j + 1]!;
      const sum = e0 * e0 + e1 * e1;
      if (sum < best) {
        best = sum;
        at = j;
      }
    }
    index[i] = at >> 1;
    distance[i] = best;
  }
}

function nearest4(x: Float32Array, c: Float64Array, index: Int32Array, distance: Float32Array) {
  for (let i = 0; i < index.length; i++) {
    const x0 = x[4 * i]!;
    const x1 = x[4 * i + 1]!;
    const x2 = x[4 * i + 2]!;
    const x3 = x[4 * i + 3]!;
    let best = Number.POSITIVE_INFINITY;
    let at = 0;
    for (let j = 0; j < c.length; j += 4) {
      const e0 = x0 - c[j]!;
      const e1 = x1 - c[j + 1]!;
      const e2 = x2 - c[j + 2]!;
      const e3 = x3 - c[j + 3]!;
      const sum = e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3;
      if (sum < best) {
        best = sum;
        at = j;
      }
    }
    index[i] = at >> 2;
    distance[i] = best;
  }
}

function nearest8(x: Float32Array, c: Float64Array, index: Int32Array, distance: Float32Array) {
  for (let i = 0; i < index.length; i++) {
    const x0 = x[8 * i]!;
    const x1 = x[8 * i + 1]!;
    const x2 = x[8 * i + 2]!;
    const x3 = x[8 * i + 3]!;
    const x4 = x[8 * i + 4]!;
    const x5 = x[8 * i + 5]!;
    const x6 = x[8 * i + 6]!;
    const x7 = x[8 * i + 7]!;
    let best = Number.POSITIVE_INFINITY;
    let at = 0;
    for (let j = 0; j < c.length; j += 8) {
      const e0 = x0 - c[j]!;
      const e1 = x1 - c[j + 1]!;
      const e2 = x2 - c[j + 2]!;
      const e3 = x3 - c[j + 3]!;
      const e4 = x4 - c[j + 4]!;
      const e5 = x5 - c[j + 5]!;
      const e6 = x6 - c[j + 6]!;
      const e7 = x7 - c[j + 7]!;
      const sum = e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3 + e4 * e4 + e5 * e5 + e6 * e6 + e7 * e7;
      if (sum < best) {
        best = sum;
        at = j;
      }
    }
    index[i] = at >> 3;
    distance[i] = best;
  }
}

function nearestAny(
  x: Float32Array,
  c: Float64Array,
  d: number,
  index: Int32Array,
  distance: Float32Array,
) {
  const k = c.length / d;
  for (let i = 0; i < index.length; i++) {
    let best = Number.POSITIVE_INFINITY;
    let at = 0;
    for (let j = 0; j < k; j++) {
      const sum = squaredDistance(x, i * d, c, j * d, d);
      if (sum < best) {
        best = sum;
        at = j;
      }
    }
    index[i] = at;
    distance[i] = best;
  }
}

function nearestMany(
  x: Float32Array,
  c: Float64Array,
  d: number,
  n: number,
  indices: Int32Array,
  distances: Float32Array,
) {
  const k = c.length / d;
  const best = new Float64Array(n);
  const at = new Int32Array(n);
  for (let row = 0; row * n < indices.length; row++) {
    best.fill(Number.POSITIVE_INFINITY);
    let held = 0;
    for (let j = 0; j < k; j++) {
      let value = squaredDistance(x, row * d, c, j * d, d);
      if (Number.isNaN(value)) value = Number.POSITIVE_INFINITY;
      if (held === n && value >= best[n - 1]!) continue;
      held = insertNearest(best, at, held, n, value, j);
    }
    for (let r = 0; r < n; r++) {
      indices[row * n + r] = at[r]!;
      distances[row * n + r] = best[r]!;
    }
  }
}

/**
 * Puts codeword `j` into the ascending list of at most `n`, behind all that are equally near, and
 * returns the list's new length.
 */
export function insertNearest(
  best: Float64Array,
  at: Int32Array,
  held: number,
  n: number,
  value: number,
  j: number,
): number {
  const length = held < n ? held + 1 : n;
  let r = length - 1;
  while (r > 0 && best[r - 1]! > value) {
    best[r] = best[r - 1]!;
    at[r] = at[r - 1]!;
    r--;
  }
  best[r] = value;
  at[r] = j;
  return length;
}

/** |x[xAt..] - c[cAt..]|^2 over `d` values, in float64, first value first. */
export function squaredDistance(
  x: Float32Array,
  xAt: number,
  c: Float64Array,
  cAt: number,
  d: number,
): number {
  let sum = 0;
  for (let a = 0; a < d; a++) {
    const e = x[xAt + a]! - c[cAt + a]!;
    sum += e * e;
  }
  return sum;
}
