import { rowInverse, rowMean } from './layer-norm-rows';
import { fma } from './simd';

/** args: x [rows, n], out [rows, n], rows, n, rows per chunk, epsilon */
export function layerNorm(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args), out = load<usize>(args, 4);
  const rows = load<i32>(args, 8), n = load<i32>(args, 12), perChunk = load<i32>(args, 16);
  const epsilon = load<f32>(args, 20);
  const line = <usize>n << 2;
  for (let chunk = begin; chunk < end; chunk++) {
    const last = min(rows, (chunk + 1) * perChunk);
    for (let r = chunk * perChunk; r < last; r++) {
      const row = x + <usize>r * line, to = out + <usize>r * line;
      const mean = rowMean(row, n);
      const inverse = rowInverse(row, n, mean, epsilon);
      const m = f32x4.splat(mean), f = f32x4.splat(inverse);
      const vectors = <usize>(n & ~3) << 2;
      let j: usize = 0;
      for (; j < vectors; j += 16) {
        v128.store(to + j, f32x4.mul(f32x4.sub(v128.load(row + j), m), f));
      }
      for (; j < line; j += 4) store<f32>(to + j, (load<f32>(row + j) - mean) * inverse);
    }
  }
}

/**
 * args: x [N, T, D], out [N, T, D], rows N T, D, rows per chunk, epsilon, T, shift [N, D],
 * scale [N, D]
 */
export function modulatedLayerNorm(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args), out = load<usize>(args, 4);
  const rows = load<i32>(args, 8), n = load<i32>(args, 12), perChunk = load<i32>(args, 16);
  const epsilon = load<f32>(args, 20), tokens = load<i32>(args, 24);
  const shift = load<usize>(args, 28), scale = load<usize>(args, 32);
  const line = <usize>n << 2, vectors = <usize>(n & ~3) << 2;
  const one = f32x4.splat(1);
  for (let chunk = begin; chunk < end; chunk++) {
    const last = min(rows, (chunk + 1) * perChunk);
    for (let r = chunk * perChunk; r < last; r++) {
      const row = x + <usize>r * line, to = out + <usize>r * line;
      const image = <usize>(r / tokens) * line;
      const a = scale + image, b = shift + image;
      const mean = rowMean(row, n);
      const inverse = rowInverse(row, n, mean, epsilon);
      const m = f32x4.splat(mean), f = f32x4.splat(inverse);
      let j: usize = 0;
      for (; j < vectors; j += 16) {
        const y = f32x4.mul(f32x4.sub(v128.load(row + j), m), f);
        v128.store(to + j, fma(y, f32x4.add(v128.load(a + j), one), v128.load(b + j)));
      }
      for (; j < line; j += 4) {
        const y = f32x4.splat((load<f32>(row + j) - mean) * inverse);
        const factor = f32x4.add(v128.load32_splat(a + j), one);
        v128.store32_lane(to + j, fma(y, factor, v128.load32_splat(b + j)), 0);
      }
    }
  }
}
