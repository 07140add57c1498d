import { rowInverse, rowMean } from './layer-norm-rows';
import { fma, sumLanes } from './simd';

/**
 * Gradients of modulatedLayerNorm. With y the normalized row, g the gradient of the output and
 * h = g (1 + scale): x gets (h - mean(h) - y mean(h y)) / sqrt(variance + epsilon); shift and scale
 * get the sums of g and of g y over the tokens, here over those of one block of tokens.
 *
 * One block of tokens of one image per chunk. args: x [N, T, D], scale [N, D], grad [N, T, D],
 * out x [N, T, D], partial sums for shift and for scale [N, blocks, D], T, D, blocks, tokens per
 * block, epsilon
 */
export function modulatedLayerNormGrad(args: usize, begin: i32, end: i32): void {
  const x = load<usize>(args), scale = load<usize>(args, 4), grad = load<usize>(args, 8);
  const out = load<usize>(args, 12), shifts = load<usize>(args, 16), scales = load<usize>(args, 20);
  const tokens = load<i32>(args, 24), n = load<i32>(args, 28);
  const blocks = load<i32>(args, 32), perBlock = load<i32>(args, 36);
  const epsilon = load<f32>(args, 40);
  const line = <usize>n << 2;
  for (let chunk = begin; chunk < end; chunk++) {
    const image = chunk / blocks;
    const first = chunk % blocks * perBlock;
    const last = min(tokens, first + perBlock);
    const sumG = shifts + <usize>chunk * line, sumGy = scales + <usize>chunk * line;
    memory.fill(sumG, 0, line);
    memory.fill(sumGy, 0, line);
    for (let t = first; t < last; t++) {
      const at = <usize>(image * tokens + t) * line;
      gradientRow(x + at, scale + <usize>image * line, grad + at, out + at, sumG, sumGy, n, epsilon);
    }
  }
}

function gradientRow(
  x: usize, scale: usize, grad: usize, out: usize, sumG: usize, sumGy: usize, n: i32, epsilon: f32,
): void {
  const line = <usize>n << 2, vectors = <usize>(n & ~3) << 2;
  const mean = rowMean(x, n), inverse = rowInverse(x, n, mean, epsilon);
  const m = f32x4.splat(mean), f = f32x4.splat(inverse), one = f32x4.splat(1);
  let s = f32x4.splat(0), t = s;
  let j: usize = 0;
  for (; j < vectors; j += 16) {
    const g = v128.load(grad + j);
    const y = f32x4.mul(f32x4.sub(v128.load(x + j), m), f);
    const h = f32x4.mul(g, f32x4.add(v128.load(scale + j), one));
    v128.store(sumG + j, f32x4.add(v128.load(sumG + j), g));
    v128.store(sumGy + j, fma(g, y, v128.load(sumGy + j)));
    s = f32x4.add(s, h);
    t = fma(h, y, t);
  }
  let sumH = sumLanes(s), sumHy = sumLanes(t);
  for (; j < line; j += 4) {
    const g = load<f32>(grad + j);
    const y = (load<f32>(x + j) - mean) * inverse;
    const h = g * (load<f32>(scale + j) + 1);
    store<f32>(sumG + j, load<f32>(sumG + j) + g);
    store<f32>(sumGy + j, load<f32>(sumGy + j) + g * y);
    sumH += h;
    sumHy += h * y;
  }
  const meanH: f32 = sumH / <f32>n, meanHy: f32 = sumHy / <f32>n;
  const a = f32x4.splat(meanH), b = f32x4.splat(meanHy);
  for (j = 0; j < vectors; j += 16) {
    const y = f32x4.mul(f32x4.sub(v128.load(x + j), m), f);
    const h = f32x4.mul(v128.load(grad + j), f32x4.add(v128.load(scale + j), one));
    const centred = f32x4.sub(f32x4.sub(h, a), f32x4.mul(y, b));
    v128.store(out + j, f32x4.mul(centred, f));
  }
  for (; j < line; j += 4) {
    const y = (load<f32>(x + j) - mean) * inverse;
    const h = load<f32>(grad + j) * (load<f32>(scale + j) + 1);
    store<f32>(out + j, (h - meanH - y * meanHy) * inverse);
  }
}

/** Adds the blocks' partial sums, in their order. args: partial [N, blocks, D], out [N, D], D, blocks */
export function addPartialSums(args: usize, begin: i32, end: i32): void {
  const partial = load<usize>(args), out = load<usize>(args, 4);
  const n = load<i32>(args, 8), blocks = load<i32>(args, 12);
  const line = <usize>n << 2, vectors = <usize>(n & ~3) << 2;
  for (let image = begin; image < end; image++) {
    const from = partial + <usize>(image * blocks) * line, to = out + <usize>image * line;
    let j: usize = 0;
    for (; j < vectors; j += 16) {
      let sum = v128.load(from + j);
      for (let b = 1; b < blocks; b++) sum = f32x4.add(sum, v128.load(from + j + <usize>b * line));
      v128.store(to + j, sum);
    }
    for (; j < line; j += 4) {
      let sum = load<f32>(from + j);
      for (let b = 1; b < blocks; b++) sum += load<f32>(from + j + <usize>b * line);
      store<f32>(to + j, sum);
    }
  }
}
