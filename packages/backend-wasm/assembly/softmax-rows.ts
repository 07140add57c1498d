// Parts of a softmax over one row, and for attention over one row of the row layout.
import { ROW } from './attention-tiles';
import { roundTo8 } from './attention-pack';
import { exp_nonpositive_v128 } from './math';
import { maxLanes, sumLanes } from './simd';

/** Below every finite score, and finite, so that a row of -infinity so far does not give NaN. */
export const LOWEST: f32 = -3.4028234663852886e38;

/** Scores of keys from `count` to the next multiple of 8, which do not exist, become -infinity. */
export function maskTail(R: i32, scores: usize, count: i32): void {
  for (let j = count; j < roundTo8(count); j++) {
    for (let i = 0; i < R; i++) store<f32>(scores + <usize>i * ROW + (<usize>j << 2), -Infinity);
  }
}

/** The largest of `count` scores, padded to a multiple of 8; NaN if one is. */
export function rowMaximum(scores: usize, count: i32): f32 {
  const end = scores + (<usize>roundTo8(count) << 2);
  let a = v128.load(scores), b = v128.load(scores, 16);
  for (let at = scores + 32; at < end; at += 32) {
    a = f32x4.max(a, v128.load(at));
    b = f32x4.max(b, v128.load(at, 16));
  }
  return maxLanes(f32x4.max(a, b));
}

/** exp(score - maximum) in place, and their sum. */
export function expRow(scores: usize, count: i32, maximum: f32): f32 {
  const end = scores + (<usize>roundTo8(count) << 2);
  const shift = f32x4.splat(maximum);
  let s = f32x4.splat(0), t = s;
  for (let at = scores; at < end; at += 32) {
    const p = exp_nonpositive_v128(f32x4.sub(v128.load(at), shift));
    const q = exp_nonpositive_v128(f32x4.sub(v128.load(at, 16), shift));
    v128.store(at, p);
    v128.store(at, q, 16);
    s = f32x4.add(s, p);
    t = f32x4.add(t, q);
  }
  return sumLanes(f32x4.add(s, t));
}
