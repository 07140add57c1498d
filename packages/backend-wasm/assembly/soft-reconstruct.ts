/** Soft reconstruction (equation 7 of the VQ4DiT paper) and its gradients. */
import { clearPartial } from './partial-sums';

/** Rows of one chunk of {@link softReconstruct}. */
const CHUNK_ROWS: i32 = 4096;

/**
 * Row i becomes sum_j ratios[i, j] codebook[candidates[i, j]].
 *
 * Arguments: codebook [k, d], candidates int32 [rows, n], ratios [rows, n], out [rows, d], rows, n, d.
 * Chunks: ceil(rows / 4096).
 */
export function softReconstruct(args: usize, begin: i32, end: i32): void {
  const codebook = load<usize>(args);
  const n = load<i32>(args, 20);
  const d = load<i32>(args, 24);
  const bytes = <usize>d << 2;
  const first = begin * CHUNK_ROWS;
  const stop = min(end * CHUNK_ROWS, load<i32>(args, 16));
  let candidates = load<usize>(args, 4) + (<usize>(first * n) << 2);
  let ratios = load<usize>(args, 8) + (<usize>(first * n) << 2);
  let out = load<usize>(args, 12) + <usize>first * bytes;
  for (let i = first; i < stop; i++, out += bytes) {
    const next = candidates + (<usize>n << 2);
    const skip = candidates - ratios;
    for (let a: usize = 0; a < bytes; ) {
      if (a + 16 <= bytes) {
        let sum = f32x4.splat(0);
        for (let c = candidates; c < next; c += 4) {
          const values = v128.load(codebook + <usize>load<i32>(c) * bytes + a);
          sum = f32x4.add(sum, f32x4.mul(v128.load32_splat(c - skip), values));
        }
        v128.store(out + a, sum);
        a += 16;
      } else {
        let sum: f32 = 0;
        for (let c = candidates; c < next; c += 4) {
          sum += load<f32>(c - skip) * load<f32>(codebook + <usize>load<i32>(c) * bytes + a);
        }
        store<f32>(out + a, sum);
        a += 4;
      }
    }
    candidates = next;
    ratios = next - skip;
  }
}

/**
 * The gradient for ratios, and a partial sum in float64 of the gradient for the codebook:
 * sum_ij ratios[i, j] grad[i] over the chunk's rows, for each codeword.
 *
 * Arguments: codebook [k, d], candidates int32 [rows, n], ratios [rows, n], grad [rows, d],
 * gradient for ratios [rows, n], partial sums float64 [chunks, k, d], rows, n, d, k, rows per chunk.
 */
export function softReconstructGrad(args: usize, begin: i32, end: i32): void {
  const codebook = load<usize>(args);
  const candidates = load<usize>(args, 4);
  const ratios = load<usize>(args, 8);
  const grad = load<usize>(args, 12);
  const ratiosGrad = load<usize>(args, 16);
  const partials = load<usize>(args, 20);
  const rows = load<i32>(args, 24);
  const n = load<i32>(args, 28);
  const d = load<i32>(args, 32);
  const k = load<i32>(args, 36);
  const perChunk = load<i32>(args, 40);
  const bytes = <usize>d << 2;
  for (let chunk = begin; chunk < end; chunk++) {
    const partial = clearPartial(partials, chunk, k * d);
    const stop = min((chunk + 1) * perChunk, rows);
    for (let i = chunk * perChunk; i < stop; i++) {
      const g = grad + <usize>i * bytes;
      for (let at = <usize>(i * n) << 2, last = at + (<usize>n << 2); at < last; at += 4) {
        const codeword = <usize>load<i32>(candidates + at);
        const values = codebook + codeword * bytes;
        const sums = partial + ((codeword * bytes) << 1);
        const ratio = f64x2.splat(<f64>load<f32>(ratios + at));
        let dot = f64x2.splat(0);
        let a: usize = 0;
        for (; a + 8 <= bytes; a += 8) {
          const gradient = f64x2.promote_low_f32x4(v128.load64_zero(g + a));
          const value = f64x2.promote_low_f32x4(v128.load64_zero(values + a));
          const sum = sums + (a << 1);
          dot = f64x2.add(dot, f64x2.mul(gradient, value));
          v128.store(sum, f64x2.add(v128.load(sum), f64x2.mul(gradient, ratio)));
        }
        let total = f64x2.extract_lane(dot, 0) + f64x2.extract_lane(dot, 1);
        if (a < bytes) {
          const gradient = <f64>load<f32>(g + a);
          const sum = sums + (a << 1);
          total += gradient * <f64>load<f32>(values + a);
          store<f64>(sum, load<f64>(sum) + gradient * <f64>load<f32>(ratios + at));
        }
        store<f32>(ratiosGrad + at, <f32>total);
      }
    }
  }
}
