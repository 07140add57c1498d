import type { BlockWatcher, Tensor, TensorOps } from '@vq4dit/core';
import { blockForward } from '../model/block.ts';
import { embedTokens } from '../model/embed.ts';
import { finalLayer } from '../model/final-layer.ts';
import type { DiTModel } from '../model/weights.ts';
import { applyGuidance } from './guidance.ts';
import { type ProcessOptions, SamplingProcess } from './process.ts';

/** What the model computed at one timestep. With guidance the batch is 2N: labels, then null. */
export interface TrajectoryStep {
  /** Steps done before this one, from 0. */
  readonly stepIndex: number;
  /** Timestep of the original process. */
  readonly timestep: number;
  /** The images going in, [N or 2N, C, H, W]. */
  readonly x: Tensor;
  /** Labels of the batch, null labels included. */
  readonly labels: Int32Array;
  /** Input of block 0, [N or 2N, T, D]. */
  readonly tokens: Tensor;
  /** Timestep and label embedding, [N or 2N, D]. */
  readonly conditioning: Tensor;
  /** Output of every block, [N or 2N, T, D]; the input of block l is that of l - 1. */
  readonly blockOutputs: readonly Tensor[];
  /** The model's output before guidance, [N or 2N, C or 2C, H, W]. */
  readonly output: Tensor;
}

/**
 * Walks a model's own sampling trajectory, from noise, and shows what every block did at every
 * timestep: the data of zero-data calibration (paper, section on calibration).
 *
 * The tensors of a step may be used until the next one is asked for; then, or when the walk is
 * left, they are freed. The model itself moves the images on.
 *
 * @param watcher is shown the blocks while they compute a step
 * @throws ArgumentError, InterruptedError, NonFiniteError as `sampleSteps`
 */
export async function* walkTrajectory(
  ops: TensorOps,
  model: DiTModel,
  options: ProcessOptions,
  watcher?: BlockWatcher,
): AsyncGenerator<TrajectoryStep, void, undefined> {
  const sampling = new SamplingProcess(model.config, options);
  const { steps, timestepMap } = sampling.schedule;
  for (let step = steps - 1; step >= 0; step--) {
    await sampling.pause();
    const tensors = await ops.scope((s) => forwardKeepingBlocks(s, model, sampling, step, watcher));
    const { x, tokens, conditioning, blockOutputs, output } = tensors;
    try {
      // Read before the step is shown, so that nothing its receiver does can change the walk.
      const values = await ops.scope((s) =>
        s.read(
          sampling.guided ? applyGuidance(s, model.config, output, sampling.cfgScale) : output,
        ),
      );
      yield {
        stepIndex: steps - 1 - step,
        timestep: timestepMap[step]!,
        labels: sampling.batchLabels,
        ...tensors,
      };
      sampling.advance(step, values);
    } finally {
      for (const tensor of [x, tokens, conditioning, ...blockOutputs, output]) {
        tensor[Symbol.dispose]();
      }
    }
  }
}

async function forwardKeepingBlocks(
  s: TensorOps,
  { config, lookup }: DiTModel,
  sampling: SamplingProcess,
  step: number,
  watcher?: BlockWatcher,
) {
  const { values, shape } = sampling.batch;
  const x = s.tensor(values, shape);
  const t = sampling.timesteps(step);
  const { tokens, conditioning } = embedTokens(s, lookup, config, x, t, sampling.batchLabels);
  const blockOutputs: Tensor[] = [];
  const observe = watcher?.observe;
  for (let index = 0; index < config.depth; index++) {
    const input = blockOutputs.at(-1) ?? tokens;
    blockOutputs.push(blockForward(s, lookup, config, index, input, conditioning, observe));
    await watcher?.afterBlock();
  }
  const output = finalLayer(s, lookup, config, blockOutputs.at(-1)!, conditioning);
  return { x, tokens, conditioning, blockOutputs, output };
}
