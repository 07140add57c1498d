import type { PrecisionTier } from '@vq4dit/core';

/** What a backend's precision tier allows; comparators scale these, no test sets its own. */
export interface Limits {
  readonly tier: PrecisionTier;
  /** Unit roundoff of elementwise arithmetic and of sums. */
  readonly u: number;
  /** Unit roundoff of products inside `matmul` and `nearest` (TF32 rounds their inputs). */
  readonly productU: number;
  /** Largest normalised mean squared error of a product of zero-mean Gaussian data. */
  readonly nmse: number;
  /** Largest finite number; beyond it a result is infinite. */
  readonly maxFinite: number;
  /** Results this small may come out as anything smaller (rounding of denormals, or their flush). */
  readonly tiny: number;
}

const F32 = { u: 2 ** -24, maxFinite: (2 - 2 ** -23) * 2 ** 127 };
const F16 = { u: 2 ** -11, maxFinite: 65504 };

/**
 * Normalised mean squared error of matrix products of N(0, 1) data, K = 16 to 4608: float32
 * accumulation measures 7e-15 to 1.7e-12 and TF32 inputs about 8e-8 at every K. Sequential
 * accumulation in half precision measures 2e-7 (K = 4) to 3e-5 (K = 1152).
 */
const NMSE: Readonly<Record<PrecisionTier, number>> = {
  f64: 1e-10,
  f32: 1e-10,
  tf32: 1e-6,
  f16: 1e-4,
};

/**
 * The limits of a tier. Tier f64 is judged as f32, because reads give float32.
 *
 * @param flushesDenormals true where the backend declares that it turns denormals into zero
 */
export function limitsOf(tier: PrecisionTier, flushesDenormals = false): Limits {
  const base = tier === 'f16' ? F16 : F32;
  const [smallestNormal, smallest] = tier === 'f16' ? [2 ** -14, 2 ** -24] : [2 ** -126, 2 ** -149];
  return {
    tier,
    u: base.u,
    productU: tier === 'tf32' ? 2 ** -11 : base.u,
    nmse: NMSE[tier],
    maxFinite: base.maxFinite,
    tiny: flushesDenormals ? smallestNormal : smallest,
  };
}
