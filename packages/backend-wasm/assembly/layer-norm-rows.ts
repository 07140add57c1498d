// Mean and variance of one row, in two passes: E[x^2] - E[x]^2 would cancel where the mean is large.
import { fma, sumLanes } from './simd';

/** The mean of n numbers, summed in 16 parts. */
export function rowMean(row: usize, n: i32): f32 {
  const vectors = <usize>(n & ~3) << 2, blocks = vectors & ~63, line = <usize>n << 2;
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let j: usize = 0;
  for (; j < blocks; j += 64) {
    const at = row + j;
    a = f32x4.add(a, v128.load(at));
    b = f32x4.add(b, v128.load(at, 16));
    c = f32x4.add(c, v128.load(at, 32));
    d = f32x4.add(d, v128.load(at, 48));
  }
  for (; j < vectors; j += 16) a = f32x4.add(a, v128.load(row + j));
  let sum = sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
  for (; j < line; j += 4) sum += load<f32>(row + j);
  return sum / <f32>n;
}

/** 1 / sqrt(mean((x - mean)^2) + epsilon). */
export function rowInverse(row: usize, n: i32, mean: f32, epsilon: f32): f32 {
  const vectors = <usize>(n & ~3) << 2, blocks = vectors & ~63, line = <usize>n << 2;
  const m = f32x4.splat(mean);
  let a = f32x4.splat(0), b = a, c = a, d = a;
  let j: usize = 0;
  for (; j < blocks; j += 64) {
    const at = row + j;
    const p = f32x4.sub(v128.load(at), m), q = f32x4.sub(v128.load(at, 16), m);
    const r = f32x4.sub(v128.load(at, 32), m), s = f32x4.sub(v128.load(at, 48), m);
    a = fma(p, p, a);
    b = fma(q, q, b);
    c = fma(r, r, c);
    d = fma(s, s, d);
  }
  for (; j < vectors; j += 16) {
    const p = f32x4.sub(v128.load(row + j), m);
    a = fma(p, p, a);
  }
  let sum = sumLanes(f32x4.add(f32x4.add(a, b), f32x4.add(c, d)));
  for (; j < line; j += 4) {
    const p = load<f32>(row + j) - mean;
    sum += p * p;
  }
  return 1 / sqrt<f32>(sum / <f32>n + epsilon);
}
