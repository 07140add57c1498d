import type { Comparator } from '../comparators.ts';
import { withinTolerance } from '../comparators.ts';
import { UNARY_FUNCTIONS } from '../oracle.ts';

const sigmoid = UNARY_FUNCTIONS.sigmoid;
const LINEAR = 2 * Math.sqrt(2 / Math.PI);

/** A function x sigmoid(v(x)) in float64. */
export interface Gate {
  readonly value: (x: number) => number;
  /** What 8 u of is the rounding of {@link value}. */
  readonly magnitude: (x: number) => number;
  /** v, and its derivative. */
  readonly v: (x: number) => number;
  readonly dv: (x: number) => number;
  /** No smaller than |f'| anywhere. */
  readonly steepest: number;
}

/** GELU by its definition, in the form with tanh: v is twice the argument of that. */
const gelu: Gate = {
  value: (x) => 0.5 * x * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3))),
  // The form with tanh cancels for negative x, so the scale is |x|, not |y|.
  magnitude: Math.abs,
  v: (x) => LINEAR * (x + 0.044715 * x ** 3),
  dv: (x) => LINEAR * (1 + 3 * 0.044715 * x * x),
  steepest: 1.13,
};

const silu: Gate = {
  value: (x) => x * sigmoid(x),
  magnitude: (x) => Math.abs(x * sigmoid(x)) * (1 + Math.abs(x) * sigmoid(-x)),
  v: (x) => x,
  dv: () => 1,
  steepest: 1.1,
};

export const GATES = { gelu, silu } as const;

/** f'(x) = s + x v'(x) s (1 - s), s = sigmoid(v(x)). */
export function gateSlope({ v, dv }: Gate, x: number): number {
  const s = sigmoid(v(x));
  return s + x * dv(x) * s * sigmoid(-v(x));
}

/**
 * For factors times slopes at `x`. The rounding of v moves s by s (1 - s) |v| of a few u. Where
 * 1 - s is a difference it is off by up to u, though by no more than itself: for large x the s is 1.
 */
export function slopes(gate: Gate, x: ArrayLike<number>, factors: ArrayLike<number>): Comparator {
  return (got, want, limits) =>
    withinTolerance(got, want, limits, (i) => {
      const [at, u] = [x[i]!, limits.u];
      const [s, rest] = [sigmoid(gate.v(at)), sigmoid(-gate.v(at))];
      const ofS = s * (1 + rest * Math.abs(gate.v(at)));
      const ofBend = Math.abs(at * gate.dv(at)) * (rest * ofS + s * Math.min(ofS, rest / u));
      return 8 * u * (ofS + ofBend) * Math.abs(factors[i]!);
    });
}
