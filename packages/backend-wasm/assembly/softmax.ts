import { exp_nonpositive_v128 } from './math';
import { scratch } from './scratch';
import { maxLanes, sumLanes } from './simd';

/** Rows up to this long are computed four at a time, one per lane. */
const SHORT: i32 = 12;

/** args: x [rows, n], out [rows, n], rows, n, rows per chunk (a multiple of 4) */
export function softmax(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args), out = load<usize>(args, 4);
  const rows = load<i32>(args, 8), n = load<i32>(args, 12), perChunk = load<i32>(args, 16);
  const line = <usize>n << 2;
  for (let chunk = begin; chunk < end; chunk++) {
    const first = chunk * perChunk;
    const last = min(rows, first + perChunk);
    if (n == 2) {
      pairs(x, out, first, last);
    } else if (n <= SHORT) {
      for (let r = first; r < last; r += 4) {
        fourRows(x + <usize>r * line, out + <usize>r * line, min(4, last - r), n);
      }
    } else {
      for (let r = first; r < last; r++) oneRow(x + <usize>r * line, out + <usize>r * line, n);
    }
  }
}

/** n = 2, the usual number of candidates of a sub-vector. */
function pairs(x: usize, out: usize, first: i32, last: i32): void {
  let r = first;
  for (; r <= last - 8; r += 8) {
    const at = x + (<usize>r << 3), to = out + (<usize>r << 3);
    const a = v128.load(at), b = v128.load(at, 16), c = v128.load(at, 32), d = v128.load(at, 48);
    const ab = v128.shuffle<f32>(a, b, 0, 2, 4, 6), cd = v128.shuffle<f32>(c, d, 0, 2, 4, 6);
    const AB = v128.shuffle<f32>(a, b, 1, 3, 5, 7), CD = v128.shuffle<f32>(c, d, 1, 3, 5, 7);
    const p = firstOfTwo(ab, AB), q = firstOfTwo(cd, CD);
    const P = firstOfTwo(AB, ab), Q = firstOfTwo(CD, cd);
    v128.store(to, v128.shuffle<f32>(p, P, 0, 4, 1, 5));
    v128.store(to, v128.shuffle<f32>(p, P, 2, 6, 3, 7), 16);
    v128.store(to, v128.shuffle<f32>(q, Q, 0, 4, 1, 5), 32);
    v128.store(to, v128.shuffle<f32>(q, Q, 2, 6, 3, 7), 48);
  }
  for (; r < last; r++) {
    const at = x + (<usize>r << 3), to = out + (<usize>r << 3);
    const a = v128.load32_splat(at), b = v128.load32_splat(at, 4);
    v128.store32_lane(to, firstOfTwo(a, b), 0);
    v128.store32_lane(to, firstOfTwo(b, a), 0, 4);
  }
}

/** e^(a - m) / (e^(a - m) + e^(b - m)), m the larger of both. */
// @ts-ignore: decorator
@inline
function firstOfTwo(a: v128, b: v128): v128 {
  const m = f32x4.max(a, b);
  const p = exp_nonpositive_v128(f32x4.sub(a, m));
  return f32x4.div(p, f32x4.add(p, exp_nonpositive_v128(f32x4.sub(b, m))));
}

/** Up to four rows of n <= 12; the missing ones are computed as copies of the first. */
function fourRows(x: usize, out: usize, count: i32, n: i32): void {
  const line = <usize>n << 2;
  const x1 = count > 1 ? x + line : x, x2 = count > 2 ? x1 + line : x, x3 = count > 3 ? x2 + line : x;
  const columns = scratch();
  let m = f32x4.splat(-Infinity);
  for (let j: usize = 0; j < line; j += 4) {
    let v = v128.load32_splat(x + j);
    v = v128.load32_lane(x1 + j, v, 1);
    v = v128.load32_lane(x2 + j, v, 2);
    v = v128.load32_lane(x3 + j, v, 3);
    v128.store(columns + (j << 2), v);
    m = f32x4.max(m, v);
  }
  let total = f32x4.splat(0);
  for (let j: usize = 0; j < line; j += 4) {
    const p = exp_nonpositive_v128(f32x4.sub(v128.load(columns + (j << 2)), m));
    v128.store(columns + (j << 2), p);
    total = f32x4.add(total, p);
  }
  const factor = f32x4.div(f32x4.splat(1), total);
  for (let j: usize = 0; j < line; j += 4) {
    const y = f32x4.mul(v128.load(columns + (j << 2)), factor);
    const to = out + j;
    v128.store32_lane(to, y, 0);
    if (count > 1) v128.store32_lane(to + line, y, 1);
    if (count > 2) v128.store32_lane(to + 2 * line, y, 2);
    if (count > 3) v128.store32_lane(to + 3 * line, y, 3);
  }
}

/** One row of n >= 4. Its last vector may overlap the one before, which a maximum does not mind. */
function oneRow(x: usize, out: usize, n: i32): void {
  const vectors = <usize>(n & ~3) << 2, line = <usize>n << 2;
  let high = v128.load(x + line - 16);
  for (let j: usize = 0; j < vectors; j += 16) high = f32x4.max(high, v128.load(x + j));
  const m = f32x4.splat(maxLanes(high));

  const pairs = vectors & ~31;
  let s = f32x4.splat(0), t = s;
  let j: usize = 0;
  for (; j < pairs; j += 32) {
    const p = exp_nonpositive_v128(f32x4.sub(v128.load(x + j), m));
    const q = exp_nonpositive_v128(f32x4.sub(v128.load(x + j, 16), m));
    v128.store(out + j, p);
    v128.store(out + j, q, 16);
    s = f32x4.add(s, p);
    t = f32x4.add(t, q);
  }
  if (j < vectors) {
    const p = exp_nonpositive_v128(f32x4.sub(v128.load(x + j), m));
    v128.store(out + j, p);
    s = f32x4.add(s, p);
    j += 16;
  }
  let total = sumLanes(f32x4.add(s, t));
  for (; j < line; j += 4) {
    const p = exp_nonpositive_v128(f32x4.sub(v128.load32_splat(x + j), m));
    v128.store32_lane(out + j, p, 0);
    total += f32x4.extract_lane(p, 0);
  }

  const inverse: f32 = 1 / total;
  const factor = f32x4.splat(inverse);
  for (j = 0; j < vectors; j += 16) v128.store(out + j, f32x4.mul(v128.load(out + j), factor));
  for (; j < line; j += 4) store<f32>(out + j, load<f32>(out + j) * inverse);
}
