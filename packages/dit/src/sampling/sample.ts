import type { TensorOps } from '@vq4dit/core';
import { ditForward } from '../model/model.ts';
import type { DiTModel } from '../model/weights.ts';
import { applyGuidance } from './guidance.ts';
import { type ProcessOptions, SamplingProcess } from './process.ts';

/** One finished sampling step. */
export interface SampleStep {
  /** Steps done, from 1. */
  readonly done: number;
  readonly steps: number;
  /** Timestep of the original process that the model was told. */
  readonly timestep: number;
  /** The images after the step, [N, C, H, W]; overwritten by the next one, so copy to keep. */
  readonly x: Float32Array;
  /** Shape of `x`. */
  readonly shape: readonly [number, number, number, number];
}

/**
 * Draws images, one step at a time.
 *
 * @throws ArgumentError for an option outside its range
 * @throws InterruptedError when `signal` is aborted, between two steps
 * @throws NonFiniteError where the model gives NaN or infinity
 */
export async function* sampleSteps(
  ops: TensorOps,
  model: DiTModel,
  options: ProcessOptions,
): AsyncGenerator<SampleStep, void, undefined> {
  const sampling = new SamplingProcess(model.config, options);
  const { steps, timestepMap } = sampling.schedule;
  for (let step = steps - 1; step >= 0; step--) {
    await sampling.pause();
    const output = await ops.scope(async (s) => {
      const { values, shape } = sampling.batch;
      const x = s.tensor(values, shape);
      const raw = ditForward(s, model, x, sampling.timesteps(step), sampling.batchLabels);
      const guided = sampling.guided ? applyGuidance(s, model.config, raw, sampling.cfgScale) : raw;
      return s.read(guided);
    });
    sampling.advance(step, output);
    const { x, shape } = sampling;
    yield { done: steps - step, steps, timestep: timestepMap[step]!, x, shape };
  }
}

/** Options of {@link sample}. */
export interface SampleOptions extends ProcessOptions {
  /** Called after each sampling step. */
  readonly onStep?: (step: SampleStep) => void;
}

/** Draws images by {@link sampleSteps}. -> [N, C, H, W] */
export async function sample(
  ops: TensorOps,
  model: DiTModel,
  options: SampleOptions,
): Promise<Pick<SampleStep, 'x' | 'shape'>> {
  let last: SampleStep | undefined;
  for await (const step of sampleSteps(ops, model, options)) {
    options.onStep?.(step);
    last = step;
  }
  return { x: last!.x, shape: last!.shape };
}
