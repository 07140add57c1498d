import { respacedTimesteps, TRAINING_STEPS } from './respacing.ts';

/**
 * Noise variances that grow evenly (Ho et al. 2020, section 4): 1e-4 to 0.02 over 1000 steps, and
 * scaled for another number of steps so that the end is as noisy.
 */
export function linearBetas(steps = TRAINING_STEPS): Float64Array {
  const scale = 1000 / steps;
  const first = scale * 1e-4;
  const last = scale * 0.02;
  const stride = steps === 1 ? 0 : (last - first) / (steps - 1);
  const betas = Float64Array.from({ length: steps }, (_, i) => first + i * stride);
  if (steps > 1) betas[steps - 1] = last;
  return betas;
}

/**
 * Tables of a diffusion process, one entry per sampling step, in float64. Step 0 is the cleanest.
 * Source: Ho et al. 2020 (DDPM), equations 4 to 7, with alpha = 1 - beta.
 */
export interface DiffusionSchedule {
  readonly steps: number;
  /** The timestep of the training process that the model is told at each step. */
  readonly timestepMap: Int32Array;
  readonly betas: Float64Array;
  /** Products of alphas up to each step. */
  readonly alphasCumprod: Float64Array;
  /** The same one step earlier; 1 at step 0. */
  readonly alphasCumprodPrev: Float64Array;
  /** Variance of q(x_{t-1} | x_t, x_0). */
  readonly posteriorVariance: Float64Array;
  /** Its logarithm; at step 0, where the variance is 0, that of step 1. */
  readonly posteriorLogVarianceClipped: Float64Array;
  /** Weight of x_0 in the mean of q(x_{t-1} | x_t, x_0). */
  readonly posteriorMeanCoef1: Float64Array;
  /** Weight of x_t in that mean. */
  readonly posteriorMeanCoef2: Float64Array;
}

/** Tables of the process with the given variances. */
function scheduleOf(betas: Float64Array, timestepMap: Int32Array): DiffusionSchedule {
  const steps = betas.length;
  const table = (entry: (i: number) => number) =>
    Float64Array.from({ length: steps }, (_, i) => entry(i));
  const alphasCumprod = cumulativeAlphas(betas);
  const alphasCumprodPrev = table((i) => (i === 0 ? 1 : alphasCumprod[i - 1]!));
  const posteriorVariance = table(
    (i) => (betas[i]! * (1 - alphasCumprodPrev[i]!)) / (1 - alphasCumprod[i]!),
  );
  return {
    steps,
    timestepMap,
    betas,
    alphasCumprod,
    alphasCumprodPrev,
    posteriorVariance,
    posteriorLogVarianceClipped: table((i) =>
      // One step alone has no later one to take it from; its noise is never used.
      Math.log(i > 0 ? posteriorVariance[i]! : steps > 1 ? posteriorVariance[1]! : betas[0]!),
    ),
    posteriorMeanCoef1: table(
      (i) => (betas[i]! * Math.sqrt(alphasCumprodPrev[i]!)) / (1 - alphasCumprod[i]!),
    ),
    posteriorMeanCoef2: table(
      (i) => ((1 - alphasCumprodPrev[i]!) * Math.sqrt(1 - betas[i]!)) / (1 - alphasCumprod[i]!),
    ),
  };
}

function cumulativeAlphas(betas: Float64Array): Float64Array {
  let product = 1;
  return betas.map((beta) => {
    product *= 1 - beta;
    return product;
  });
}

/**
 * The linear process of 1000 steps, shortened to `steps` (Nichol & Dhariwal 2021, section 4): the
 * kept timesteps have the noise level that they have in the whole process.
 *
 * @throws ArgumentError where `steps` is not from 1 to 1000
 */
export function diffusionSchedule(steps = TRAINING_STEPS): DiffusionSchedule {
  const timestepMap = respacedTimesteps(steps);
  const full = cumulativeAlphas(linearBetas());
  const betas = new Float64Array(steps);
  let previous = 1;
  timestepMap.forEach((timestep, i) => {
    betas[i] = 1 - full[timestep]! / previous;
    previous = full[timestep]!;
  });
  return scheduleOf(betas, timestepMap);
}
