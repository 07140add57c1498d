import type { Prediction } from './prediction.ts';
import type { DiffusionSchedule } from './schedule.ts';

/*
 * A step moves one image on the host. That costs nothing beside the model (an image is 16 KB where
 * the model moves gigabytes), and in float64 with one rounding it gives every backend the same bits
 * for the same prediction.
 */

/**
 * One ancestral step (Ho et al. 2020, algorithm 2): the posterior mean plus noise; no noise at the
 * last step, which is step 0.
 *
 * @param x image at this step; the next one is written over it
 * @param noise standard normal, one per value; not read at step 0
 */
export function ddpmStep(
  schedule: DiffusionSchedule,
  step: number,
  x: Float32Array,
  { start, deviation }: Prediction,
  noise: Float32Array | undefined,
): void {
  const ofStart = schedule.posteriorMeanCoef1[step]!;
  const ofImage = schedule.posteriorMeanCoef2[step]!;
  for (let i = 0; i < x.length; i++) {
    const mean = ofStart * start[i]! + ofImage * x[i]!;
    x[i] = step > 0 ? mean + deviation[i]! * noise![i]! : mean;
  }
}

/** Standard deviation of the noise of a DDIM step (Song et al. 2021, equation 16). */
export function ddimDeviation(schedule: DiffusionSchedule, step: number, eta: number): number {
  const alpha = schedule.alphasCumprod[step]!;
  const previous = schedule.alphasCumprodPrev[step]!;
  return eta * Math.sqrt((1 - previous) / (1 - alpha)) * Math.sqrt(1 - alpha / previous);
}

/**
 * One DDIM step (Song et al. 2021, equation 12). `eta` 0 is deterministic. The noise direction is
 * taken from the predicted image, so that it agrees with a clipped one.
 *
 * @param x image at this step; the next one is written over it
 * @param noise standard normal, one per value; read only where `eta` > 0 and `step` > 0
 */
export function ddimStep(
  schedule: DiffusionSchedule,
  step: number,
  x: Float32Array,
  { start }: Pick<Prediction, 'start'>,
  noise: Float32Array | undefined,
  eta: number,
): void {
  const alpha = schedule.alphasCumprod[step]!;
  const previous = schedule.alphasCumprodPrev[step]!;
  const deviation = ddimDeviation(schedule, step, eta);
  const ofStart = Math.sqrt(previous);
  // Where rounding makes this a little less than 0 it means 0.
  const ofDirection = Math.sqrt(Math.max(0, 1 - previous - deviation * deviation));
  const ofImage = Math.sqrt(1 / alpha);
  const scale = Math.sqrt(1 / alpha - 1);
  const noisy = step > 0 && deviation > 0;
  for (let i = 0; i < x.length; i++) {
    const direction = (ofImage * x[i]! - start[i]!) / scale;
    const mean = ofStart * start[i]! + ofDirection * direction;
    x[i] = noisy ? mean + deviation * noise![i]! : mean;
  }
}
