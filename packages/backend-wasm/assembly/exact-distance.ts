/**
 * Squared distances in float64, one axis after the other: the definition that float32 searches are
 * settled by. Every function here gives the same bits for the same row and codeword.
 */

/** |x - c|^2 of a row and a codeword of `d` values each. */
// @ts-ignore: decorator
@inline
export function exactDistance(x: usize, c: usize, d: i32): f64 {
  if (d == 4) {
    const e0 = <f64>load<f32>(x) - <f64>load<f32>(c);
    const e1 = <f64>load<f32>(x, 4) - <f64>load<f32>(c, 4);
    const e2 = <f64>load<f32>(x, 8) - <f64>load<f32>(c, 8);
    const e3 = <f64>load<f32>(x, 12) - <f64>load<f32>(c, 12);
    return e0 * e0 + e1 * e1 + e2 * e2 + e3 * e3;
  }
  let sum: f64 = 0;
  for (const stop = x + (<usize>d << 2); x < stop; x += 4, c += 4) {
    const e = <f64>load<f32>(x) - <f64>load<f32>(c);
    sum += e * e;
  }
  return sum;
}

/** The distances of a row to two neighbouring codewords, for an even d. */
// @ts-ignore: decorator
@inline
export function exactPair(x: usize, c: usize, d: i32): v128 {
  const bytes = <usize>d << 2;
  let sum = f64x2.splat(0);
  for (let at: usize = 0; at < bytes; at += 8) {
    const value = f64x2.promote_low_f32x4(v128.load64_zero(x + at));
    const e = f64x2.sub(value, f64x2.promote_low_f32x4(v128.load64_zero(c + at)));
    const f = f64x2.sub(value, f64x2.promote_low_f32x4(v128.load64_zero(c + bytes + at)));
    const e2 = f64x2.mul(e, e);
    const f2 = f64x2.mul(f, f);
    sum = f64x2.add(sum, v128.shuffle<f64>(e2, f2, 0, 2));
    sum = f64x2.add(sum, v128.shuffle<f64>(e2, f2, 1, 3));
  }
  return sum;
}
