/** All there are. */
export const CLIPPINGS = ['min-max', 'mse'] as const;
/**
 * How the range of a grid is chosen: from the least to the greatest weight; or the same range made
 * narrower by the factor that gives the least squared error, where a few outliers are clipped so
 * that all others lie on a finer grid.
 */
export type Clipping = (typeof CLIPPINGS)[number];

/** A uniform grid: code q stands for scale * (q - zero). */
export interface UniformGrid {
  readonly scale: number;
  /** 0 to 2^bits - 1 */
  readonly zero: number;
}

/** Factors that `mse` tries: 1, 0.98, ..., 0.2. */
const SHRINK_STEPS = 41;
const SHRINK = 0.02;

/**
 * Finds the grid for some weights. Its range always holds 0, which is then a point of the grid. The
 * scale is a float16 (rounded up, so that the range still fits) unless float16 has none so large.
 *
 * @param values finite
 * @param importance weight of each value's squared error in the search, as long as `values`; all
 *   alike when absent
 */
export function fitGrid(
  values: Float32Array | Float64Array,
  bits: number,
  clipping: Clipping,
  importance?: Float64Array,
): UniformGrid {
  let low = 0;
  let high = 0;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < low) low = value;
    if (value > high) high = value;
  }
  if (low === high) return { scale: 1, zero: 0 };
  let best = gridOf(low, high, bits);
  if (clipping === 'min-max') return best;
  let least = squaredError(values, best, bits, importance);
  for (let step = 1; step < SHRINK_STEPS; step++) {
    const factor = 1 - step * SHRINK;
    const grid = gridOf(low * factor, high * factor, bits);
    const error = squaredError(values, grid, bits, importance);
    if (error < least) {
      least = error;
      best = grid;
    }
  }
  return best;
}

/** The code of a weight: the nearest point of the grid. */
export function roundToGrid(value: number, { scale, zero }: UniformGrid, bits: number): number {
  const code = Math.round(value / scale) + zero;
  return Math.min(2 ** bits - 1, Math.max(0, code));
}

function gridOf(low: number, high: number, bits: number): UniformGrid {
  const levels = 2 ** bits - 1;
  const scale = ceilFloat16((high - low) / levels);
  return { scale, zero: Math.min(levels, Math.max(0, Math.round(-low / scale))) };
}

function squaredError(
  values: Float32Array | Float64Array,
  grid: UniformGrid,
  bits: number,
  importance: Float64Array | undefined,
): number {
  let sum = 0;
  for (let i = 0; i < values.length; i++) {
    const error = values[i]! - grid.scale * (roundToGrid(values[i]!, grid, bits) - grid.zero);
    sum += importance === undefined ? error * error : importance[i]! * error * error;
  }
  return sum;
}

/**
 * The least float16 that is not below a positive number; above 65504 the number itself in float32,
 * rounded up.
 */
export function ceilFloat16(value: number): number {
  if (value > 65504) {
    const rounded = Math.fround(value);
    return rounded >= value ? rounded : Math.fround(value * (1 + 2 ** -23));
  }
  // 10 bits after the leading one; below 2^-14 the spacing stays 2^-24.
  const exponent = Math.max(-14, Math.floor(Math.log2(value)));
  const spacing = 2 ** (exponent - 10);
  return Math.max(1, Math.ceil(value / spacing)) * spacing;
}
