/**
 * Logarithm and circle functions for the normal generator, from `+ - * /` and `Math.sqrt` alone.
 *
 * ECMAScript lets every engine choose its own `Math.log`, `Math.sin` and `Math.cos`; the four
 * operations are fixed by IEEE 754 and every engine uses the processor's correctly rounded square
 * root. With these, one seed gives the same bits everywhere.
 */

/** ln 2 in two parts; the first has 32 trailing zero bits, so that `exponent * LN2_HIGH` is exact. */
const LN2_HIGH = 0.6931471803691238;
const LN2_LOW = 1.9082149292705877e-10;
const TWO_PI = 6.283185307179586;

/** Natural logarithm for 2^-53 <= value <= 1, within about 1e-15 relative. */
export function portableLog(value: number): number {
  let mantissa = value;
  let exponent = 0;
  while (mantissa < 0.7) {
    // Doubling is exact. Uniform numbers need it once or twice on average.
    mantissa *= 2;
    exponent -= 1;
  }
  // log m = 2 atanh(s), s = (m - 1)/(m + 1), |s| < 0.177: eleven terms leave less than 2^-57 of s.
  const s = (mantissa - 1) / (mantissa + 1);
  const s2 = s * s;
  let series = 1 / 23;
  for (let odd = 21; odd >= 3; odd -= 2) series = series * s2 + 1 / odd;
  return exponent * LN2_HIGH + (exponent * LN2_LOW + 2 * (s + s * s2 * series));
}

/** Taylor terms of sine and cosine, from `x^17` and `x^16` down; the next one is below 2^-60. */
const SINE = [17, 15, 13, 11, 9, 7, 5, 3, 1].map((n) => signedInverseFactorial(n));
const COSINE = [18, 16, 14, 12, 10, 8, 6, 4, 2, 0].map((n) => signedInverseFactorial(n));

function signedInverseFactorial(n: number): number {
  let factorial = 1;
  for (let i = 2; i <= n; i++) factorial *= i;
  return (n % 4 < 2 ? 1 : -1) / factorial;
}

/** Writes cos(2 pi u) and sin(2 pi u) for `0 <= u < 1` to `out[0]` and `out[1]`. */
export function portableCircle(u: number, out: Float64Array): void {
  // u = quarter / 4 + rest with |rest| <= 1/8; both steps are exact, unlike a reduction of 2 pi u.
  const quarter = Math.floor(u * 4 + 0.5);
  const x = TWO_PI * (u - quarter * 0.25);
  const x2 = x * x;
  let sine = SINE[0] as number;
  for (let i = 1; i < SINE.length; i++) sine = sine * x2 + (SINE[i] as number);
  sine *= x;
  let cosine = COSINE[0] as number;
  for (let i = 1; i < COSINE.length; i++) cosine = cosine * x2 + (COSINE[i] as number);
  const turned = (quarter & 1) === 1;
  out[0] = (turned ? sine : cosine) * (quarter === 1 || quarter === 2 ? -1 : 1);
  out[1] = (turned ? cosine : sine) * (quarter === 2 || quarter === 3 ? -1 : 1);
}
