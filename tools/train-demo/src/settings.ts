import { ArgumentError } from '@vq4dit/core';
import type { DiTConfig } from '@vq4dit/dit';

/** The demo model: 4.18 million parameters. */
export const DEMO_CONFIG: DiTConfig = {
  inputSize: 28,
  patchSize: 4,
  inChannels: 1,
  hiddenSize: 192,
  depth: 6,
  numHeads: 3,
  mlpRatio: 4,
  numClasses: 10,
  classDropoutProb: 0.1,
  learnSigma: true,
};

/** Everything that decides what the weights become, on one backend. */
export interface TrainingSettings {
  readonly config: DiTConfig;
  readonly steps: number;
  /** Images of one step. */
  readonly batch: number;
  readonly seed: number;
  /** Learning rate after the warm-up. */
  readonly learningRate: number;
  /** What the learning rate falls to, as a share of `learningRate`. */
  readonly finalRate: number;
  /** Steps in which the learning rate grows from 0. */
  readonly warmup: number;
  readonly weightDecay: number;
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  /** Decay of the moving average of the weights. */
  readonly ema: number;
  /** Labels of images that may be mirrored; shoes all point to one side. */
  readonly mirrored: readonly number[];
}

/** How the demo model was trained. */
export const DEFAULT_SETTINGS: TrainingSettings = {
  config: DEMO_CONFIG,
  steps: 15000,
  batch: 64,
  seed: 0,
  learningRate: 5e-4,
  finalRate: 0.05,
  warmup: 500,
  weightDecay: 0,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  ema: 0.999,
  // All but sandal (5), sneaker (7) and ankle boot (9).
  mirrored: [0, 1, 2, 3, 4, 6, 8],
};

/**
 * The learning rate of a step: it grows evenly over the warm-up, then falls by half a cosine
 * (Loshchilov & Hutter 2017, equation 5, without restarts) and reaches its end at the last step.
 *
 * @param step from 1
 */
export function learningRateAt(settings: TrainingSettings, step: number): number {
  const { learningRate, finalRate, warmup, steps } = settings;
  if (step <= warmup) return (learningRate * step) / warmup;
  const progress = (step - warmup) / (steps - warmup);
  const cosine = (1 + Math.cos(Math.PI * progress)) / 2;
  return learningRate * (finalRate + (1 - finalRate) * cosine);
}

/** @throws ArgumentError for numbers that do not go together */
export function checkSettings(settings: TrainingSettings, imageSize: number): void {
  const { config, steps, warmup } = settings;
  if (config.inputSize !== imageSize || config.inChannels !== 1 || !config.learnSigma) {
    throw new ArgumentError(
      `The images are ${imageSize} x ${imageSize} in grey, so the model needs input_size ${imageSize}, in_channels 1 and learn_sigma true.`,
    );
  }
  if (warmup >= steps) {
    throw new ArgumentError(
      `A warm-up of ${warmup} steps leaves nothing of ${steps}; choose a shorter --warmup.`,
    );
  }
}
