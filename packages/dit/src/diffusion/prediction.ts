import type { DiffusionSchedule } from './schedule.ts';

/**
 * Variance of a reverse step where the model does not learn it: beta (`large`) or the posterior's
 * (`small`); Ho et al. 2020, section 3.2.
 */
export type FixedVariance = 'large' | 'small';

/** How a model's output is read. */
export interface PredictionOptions {
  readonly learnSigma: boolean;
  /** Only where sigma is not learned. Default `large`, as the published samplers. */
  readonly fixedVariance?: FixedVariance;
  /** Clips the predicted image to [-1, 1]. For images in pixels; latents have no such bounds. */
  readonly clip?: boolean;
}

/** What the model's output means for one step of one image; arrays have the image's length. */
export interface Prediction {
  /** The predicted clean image x_0. */
  readonly start: Float64Array;
  /** Standard deviation of the ancestral step, from exp(log variance / 2). */
  readonly deviation: Float64Array;
}

/**
 * Reads noise and variance of one image.
 *
 * x_0 = (x - sqrt(1 - a) eps) / sqrt(a), a being the cumulative alpha (Ho et al. 2020, equation 4);
 * the learned variance is exp(f log beta + (1 - f) log posterior), f = (v + 1) / 2 (Nichol & Dhariwal
 * 2021, equation 15).
 *
 * @param step index into the schedule
 * @param x the image at this step, [C, H, W]
 * @param output the model's output for it, [C or 2C, H, W]
 */
export function predict(
  schedule: DiffusionSchedule,
  step: number,
  x: Float32Array,
  output: Float32Array,
  { learnSigma, fixedVariance = 'large', clip = false }: PredictionOptions,
): Prediction {
  const alpha = schedule.alphasCumprod[step]!;
  const ofImage = Math.sqrt(1 / alpha);
  const ofNoise = Math.sqrt(1 / alpha - 1);
  const minLog = schedule.posteriorLogVarianceClipped[step]!;
  // Fixed large variance is beta, except at the step that ends noise-free anyway.
  const maxLog = learnSigma || step > 0 ? Math.log(schedule.betas[step]!) : minLog;
  const fixedLog = fixedVariance === 'large' ? maxLog : minLog;
  const start = new Float64Array(x.length);
  const deviation = new Float64Array(x.length);
  for (let i = 0; i < x.length; i++) {
    const value = ofImage * x[i]! - ofNoise * output[i]!;
    start[i] = clip ? Math.max(-1, Math.min(1, value)) : value;
    if (learnSigma) {
      const fraction = (output[x.length + i]! + 1) / 2;
      deviation[i] = Math.exp((fraction * maxLog + (1 - fraction) * minLog) / 2);
    } else {
      deviation[i] = Math.exp(fixedLog / 2);
    }
  }
  return { start, deviation };
}
