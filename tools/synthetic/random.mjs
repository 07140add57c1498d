import { RandomStream } from '@vq4dit/core';

/**
 * Random matrices, fast enough for hundreds of millions of numbers: xoshiro128++ (Blackman & Vigna
 * 2019), two numbers from each of its words, by a table of quantiles. The random streams of core
 * would take twenty times as long.
 */
export function generator(seed, ...name) {
  const stream = new RandomStream(seed, 'synthetic', ...name);
  const state = Uint32Array.from({ length: 4 }, () => stream.uint32());
  return { state, stream };
}

const LEVELS = 65536;

/**
 * Quantiles of a distribution of variance 1 with tails longer than the normal one's by `h`: normal
 * numbers z as z exp(h z^2 / 2) (Tukey's g-and-h family with g = 0). Its kurtosis is
 * 3 (1 - 2h)^3 / (1 - 4h)^2.5: 3 for h = 0, 4.1 for 0.06.
 */
export function quantileTable(h) {
  const table = new Float32Array(LEVELS);
  const scale = (1 - 2 * h) ** 0.75;
  for (let i = 0; i < LEVELS; i++) {
    const z = normalQuantile((i + 0.5) / LEVELS);
    table[i] = scale * z * Math.exp((h * z * z) / 2);
  }
  return table;
}

/** Fills `out` with numbers of a table of quantiles. */
export function fillFrom(table, { state }, out) {
  let [a, b, c, d] = state;
  for (let i = 0; i < out.length; i += 2) {
    const sum = (a + d) | 0;
    const word = (((sum << 7) | (sum >>> 25)) + a) | 0;
    const t = b << 9;
    c ^= a;
    d ^= b;
    b ^= c;
    a ^= d;
    c ^= t;
    d = (d << 11) | (d >>> 21);
    out[i] = table[word & 0xffff];
    if (i + 1 < out.length) out[i + 1] = table[word >>> 16];
  }
  state.set([a, b, c, d]);
  return out;
}

/** `count` factors around 1: log-normal of this spread, a share `outliers` of them `strength` times as large. */
export function factors(stream, count, { spread, outliers = 0, strength = 1 }) {
  const values = Float32Array.from({ length: count }, () =>
    Math.exp(spread * stream.normal() - spread ** 2),
  );
  const large = Math.round(outliers * count);
  for (const at of stream.sampleWithoutReplacement(count, large)) values[at] *= strength;
  return values;
}

/** Quantile of the normal distribution (Acklam's rational approximation, to 1e-9). */
function normalQuantile(p) {
  const tail = (q) =>
    (((((-7.784894002430293e-3 * q - 3.223964580411365e-1) * q - 2.400758277161838) * q -
      2.549732539343734) *
      q +
      4.374664141464968) *
      q +
      2.938163982698783) /
    ((((7.784695709041462e-3 * q + 3.224671290700398e-1) * q + 2.445134137142996) * q +
      3.754408661907416) *
      q +
      1);
  if (p < 0.02425) return tail(Math.sqrt(-2 * Math.log(p)));
  if (p > 1 - 0.02425) return -tail(Math.sqrt(-2 * Math.log(1 - p)));
  const q = p - 0.5;
  const r = q * q;
  return (
    ((((((-39.69683028665376 * r + 220.9460984245205) * r - 275.9285104469687) * r +
      138.357751867269) *
      r -
      30.66479806614716) *
      r +
      2.506628277459239) *
      q) /
    (((((-54.47609879822406 * r + 161.5858368580409) * r - 155.6989798598866) * r +
      66.80131188771972) *
      r -
      13.28068155288572) *
      r +
      1)
  );
}
