import { fma } from './simd';

/**
 * s' = a s + (1 - a) g^2, v' = v - rate g / (sqrt(s') + epsilon), elementwise in one pass.
 *
 * args: value, grad, square, out value, out square, count, elements per chunk, rate, a, 1 - a,
 * epsilon
 */
export function rmspropStep(args: usize, begin: i32, end: i32): void {
  const value = load<usize>(args), grad = load<usize>(args, 4), square = load<usize>(args, 8);
  const outValue = load<usize>(args, 12), outSquare = load<usize>(args, 16);
  const count = load<i32>(args, 20), perChunk = load<i32>(args, 24);
  const rate = v128.load32_splat(args, 28);
  const decay = v128.load32_splat(args, 32), fresh = v128.load32_splat(args, 36);
  const epsilon = v128.load32_splat(args, 40);
  const last = min<usize>(<usize>end * perChunk, count) << 2;
  let i = <usize>begin * perChunk << 2;
  for (; i + 16 <= last; i += 16) {
    const g = v128.load(grad + i);
    const s = f32x4.add(f32x4.mul(v128.load(square + i), decay), f32x4.mul(f32x4.mul(g, g), fresh));
    const step = f32x4.div(f32x4.mul(g, rate), f32x4.add(f32x4.sqrt(s), epsilon));
    v128.store(outSquare + i, s);
    v128.store(outValue + i, f32x4.sub(v128.load(value + i), step));
  }
  for (; i < last; i += 4) {
    const g = v128.load32_splat(grad + i);
    const s = f32x4.add(
      f32x4.mul(v128.load32_splat(square + i), decay), f32x4.mul(f32x4.mul(g, g), fresh),
    );
    const step = f32x4.div(f32x4.mul(g, rate), f32x4.add(f32x4.sqrt(s), epsilon));
    v128.store32_lane(outSquare + i, s, 0);
    v128.store32_lane(outValue + i, f32x4.sub(v128.load32_splat(value + i), step), 0);
  }
}

/**
 * m' = b1 m + (1 - b1) g, s' = b2 s + (1 - b2) g^2, v' = shrink v - rate m' / (root sqrt(s') + epsilon),
 * elementwise in one pass; bias corrections are in `rate` and `root`.
 *
 * args: value, grad, mean, square, out value, out mean, out square, count, elements per chunk,
 * shrink, rate, root, b1, 1 - b1, b2, 1 - b2, epsilon
 */
export function adamwStep(args: usize, begin: i32, end: i32): void {
  const value = load<usize>(args), grad = load<usize>(args, 4);
  const mean = load<usize>(args, 8), square = load<usize>(args, 12);
  const outValue = load<usize>(args, 16), outMean = load<usize>(args, 20);
  const outSquare = load<usize>(args, 24);
  const count = load<i32>(args, 28), perChunk = load<i32>(args, 32);
  const shrink = v128.load32_splat(args, 36), rate = v128.load32_splat(args, 40);
  const root = v128.load32_splat(args, 44);
  const b1 = v128.load32_splat(args, 48), fresh1 = v128.load32_splat(args, 52);
  const b2 = v128.load32_splat(args, 56), fresh2 = v128.load32_splat(args, 60);
  const epsilon = v128.load32_splat(args, 64);
  const last = min<usize>(<usize>end * perChunk, count) << 2;
  let i = <usize>begin * perChunk << 2;
  for (; i + 16 <= last; i += 16) {
    const g = v128.load(grad + i);
    const m = f32x4.add(f32x4.mul(v128.load(mean + i), b1), f32x4.mul(g, fresh1));
    const s = f32x4.add(f32x4.mul(v128.load(square + i), b2), f32x4.mul(f32x4.mul(g, g), fresh2));
    const divisor = fma(f32x4.sqrt(s), root, epsilon);
    const step = f32x4.div(f32x4.mul(m, rate), divisor);
    v128.store(outMean + i, m);
    v128.store(outSquare + i, s);
    v128.store(outValue + i, f32x4.sub(f32x4.mul(v128.load(value + i), shrink), step));
  }
  for (; i < last; i += 4) {
    const g = v128.load32_splat(grad + i);
    const m = f32x4.add(f32x4.mul(v128.load32_splat(mean + i), b1), f32x4.mul(g, fresh1));
    const s = f32x4.add(
      f32x4.mul(v128.load32_splat(square + i), b2), f32x4.mul(f32x4.mul(g, g), fresh2),
    );
    const divisor = fma(f32x4.sqrt(s), root, epsilon);
    const step = f32x4.div(f32x4.mul(m, rate), divisor);
    v128.store32_lane(outMean + i, m, 0);
    v128.store32_lane(outSquare + i, s, 0);
    v128.store32_lane(outValue + i, f32x4.sub(f32x4.mul(v128.load32_splat(value + i), shrink), step), 0);
  }
}
