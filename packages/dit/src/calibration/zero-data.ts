import {
  ArgumentError,
  type BlockWatcher,
  type CalibrationSource,
  type CalibrationStep,
  RandomStream,
  type TensorOps,
} from '@vq4dit/core';
import { hasNullLabel } from '../config/config.ts';
import { streamNoise } from '../diffusion/noise.ts';
import type { DiTModel } from '../model/weights.ts';
import { walkTrajectory } from '../sampling/trajectory.ts';

/** What the floating-point model is made to sample for the calibration. */
export interface ZeroDataOptions {
  readonly seed: number | bigint;
  /** Sampling steps of one trajectory. */
  readonly steps: number;
  /** Images of one trajectory. */
  readonly batch: number;
  /** Guidance scale; other than 1 it doubles the batch with null labels. */
  readonly cfgScale: number;
  /**
   * Chance of a null label in place of a class, for unguided trajectories, so that sampling with
   * guidance is calibrated too. 0 for models without a null label.
   */
  readonly nullShare: number;
  readonly signal?: AbortSignal;
}

/**
 * Calibration steps from nothing but noise and random labels: each trajectory is the floating-point
 * model's own DDPM sampling (paper, section on zero-data calibration). Trajectory i is the same for
 * a seed whatever was walked before.
 *
 * @throws ArgumentError for an option outside its range
 */
export function zeroDataSource(model: DiTModel, options: ZeroDataOptions): CalibrationSource {
  const { seed, steps, batch, cfgScale, nullShare, signal } = options;
  if (!Number.isInteger(batch) || batch < 1) {
    throw new ArgumentError(`The calibration batch must be a positive integer, not ${batch}.`);
  }
  if (!(nullShare >= 0 && nullShare <= 1)) {
    throw new ArgumentError(`The share of null labels must be from 0 to 1, not ${nullShare}.`);
  }
  const nullChance = cfgScale === 1 && hasNullLabel(model.config) ? nullShare : 0;

  async function* trajectory(
    ops: TensorOps,
    index: number,
    watcher?: BlockWatcher,
  ): AsyncGenerator<CalibrationStep> {
    const stream = new RandomStream(seed, 'calibration', index);
    const draws = stream.derive('labels');
    const { numClasses } = model.config;
    const labels = Int32Array.from({ length: batch }, () => {
      const label = draws.integer(numClasses);
      return draws.uniform() < nullChance ? numClasses : label;
    });
    const noise = streamNoise(stream.derive('noise'));
    const process = { labels, noise, steps, cfgScale, ...(signal && { signal }) };
    yield* walkTrajectory(ops, model, process, watcher);
  }

  return { stepsPerTrajectory: steps, trajectory };
}
