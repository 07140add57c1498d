import type { Limits } from './limits.ts';

/** Values as a backend gives them or as a reference computes them. */
export type Values = Float32Array | Float64Array | Int32Array;

/**
 * Compares what a backend gave with the float64 reference. Returns undefined if it holds, else one
 * sentence that says where and by how much it does not. Lengths are equal.
 */
export type Comparator = (got: Values, want: Values, limits: Limits) => string | undefined;

const SHOWN = 3;

/** Collects the elements that do not hold: how many there are, and the first few. */
export function listMismatches(
  count: number,
  describe: (index: number) => string | undefined,
): string | undefined {
  const shown: string[] = [];
  let wrong = 0;
  for (let i = 0; i < count; i++) {
    const text = describe(i);
    if (text === undefined) continue;
    wrong++;
    if (shown.length < SHOWN) shown.push(`[${i}] ${text}`);
  }
  return wrong === 0 ? undefined : `${wrong} of ${count} differ: ${shown.join('; ')}`;
}

/** Bit for bit, except that one NaN is as good as another: -0 is not 0. For data movement. */
export const exact: Comparator = (got, want) =>
  listMismatches(want.length, (i) =>
    Object.is(got[i], want[i]) ? undefined : `got ${show(got[i]!)}, expected ${show(want[i]!)}`,
  );

/** Equal numbers; 0 and -0 are equal, NaN equals NaN only. For results without rounding. */
export const equal: Comparator = (got, want) =>
  listMismatches(want.length, (i) =>
    got[i] === want[i] || Object.is(got[i], want[i])
      ? undefined
      : `got ${show(got[i]!)}, expected ${show(want[i]!)}`,
  );

/**
 * Each element within its own tolerance. NaN is only matched by NaN, infinity by infinity of the
 * same sign; a reference beyond the largest finite number counts as infinite, and on that border
 * both are right.
 */
export function withinTolerance(
  got: Values,
  want: Values,
  limits: Limits,
  tolerance: (index: number) => number,
): string | undefined {
  return listMismatches(want.length, (i) => {
    const [g, w] = [got[i]!, want[i]!];
    if (Object.is(g, w)) return undefined;
    const own = tolerance(i);
    const allowed = (Number.isFinite(own) ? own : 0) + limits.tiny;
    const size = Math.abs(w);
    if (Number.isFinite(g) && size - allowed <= limits.maxFinite && Math.abs(g - w) <= allowed) {
      return undefined;
    }
    if (Math.abs(g) === Number.POSITIVE_INFINITY && Math.sign(g) === Math.sign(w)) {
      // Halfway past the largest number is where rounding to nearest gives infinity.
      if (size + allowed >= limits.maxFinite * (1 + limits.u)) return undefined;
    }
    return `got ${show(g)}, expected ${show(w)} (difference ${show(Math.abs(g - w))}, allowed ${show(allowed)})`;
  });
}

/** Within `units` units in the last place of the reference. For elementwise IEEE arithmetic. */
export function ulp(units: number): Comparator {
  return (got, want, limits) =>
    withinTolerance(got, want, limits, (i) => units * spacing(want[i]!, limits.u));
}

/** Distance from |x| to the next larger number, for unit roundoff u. */
function spacing(x: number, u: number): number {
  const size = Math.abs(x);
  if (size === 0 || !Number.isFinite(size)) return 0;
  let exponent = Math.floor(Math.log2(size));
  if (2 ** exponent > size) exponent--;
  return 2 * u * 2 ** exponent;
}

/** Options of {@link scaled}. */
export interface ScaledOptions {
  /** The case multiplies inside `matmul` or `nearest`: TF32 counts. */
  readonly product?: boolean;
  /** Also hold the normalised mean squared error under the tier's limit (Gaussian data only). */
  readonly nmse?: boolean;
}

/**
 * |got - want| <= c * u * magnitude, element by element. For sums and products `magnitude` is
 * sum |a_i b_i| (the condition of the sum), for functions |f(x)| + |x f'(x)| (a result that is
 * nearly right for a nearly right argument).
 */
export function scaled(
  magnitude: ArrayLike<number>,
  c: number,
  options: ScaledOptions = {},
): Comparator {
  return (got, want, limits) => {
    const u = options.product ? limits.productU : limits.u;
    const bound = withinTolerance(got, want, limits, (i) => c * u * magnitude[i]!);
    if (bound !== undefined || !options.nmse) return bound;
    const error = nmse(got, want);
    return error <= limits.nmse
      ? undefined
      : `normalised mean squared error ${show(error)}, allowed ${show(limits.nmse)}`;
  };
}

/**
 * How the data of a sum behaves, which decides its rounding error in units of u * sum |a_i b_i|.
 * Worst of 300 to 400 sequential float32 dot products per K: Gaussian 1.7 to 3.8, flat in K from 16
 * to 4608; uniform on (0, 1) grows as 0.85 sqrt(K); one constant repeated as 0.25 K. For anything
 * else K + 4 holds a priori, in any order of summation (without underflow).
 */
export type DataClass = 'gaussian' | 'nonNegative' | 'arbitrary';

/** The factor c of {@link scaled} for a sum of `terms` products. */
export function sumFactor(data: DataClass, terms: number): number {
  if (data === 'gaussian') return 16;
  return data === 'nonNegative' ? 4 * Math.sqrt(terms) : terms + 4;
}

/** sum (got - want)^2 / sum want^2; 0 / 0 is 0, anything else over 0 is infinite. */
export function nmse(got: ArrayLike<number>, want: ArrayLike<number>): number {
  let error = 0;
  let power = 0;
  for (let i = 0; i < want.length; i++) {
    error += (got[i]! - want[i]!) ** 2;
    power += want[i]! ** 2;
  }
  if (error === 0) return 0;
  return power === 0 ? Number.POSITIVE_INFINITY : error / power;
}

/** A number as failure messages print it: integers below 1e9 and -0 in full, else 9 digits. */
export function show(x: number): string {
  if (Object.is(x, -0)) return '-0';
  return Number.isInteger(x) && Math.abs(x) < 1e9 ? String(x) : String(Number(x.toPrecision(9)));
}
