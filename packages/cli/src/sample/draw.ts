import { ArgumentError, type TensorOps } from '@vq4dit/core';
import { type DiTConfig, type DiTModel, sample, seededNoise } from '@vq4dit/dit';
import type { ImageBatch } from './grid.ts';

/** How images are drawn; the same for every model of a comparison. */
export interface DrawOptions {
  readonly labels: readonly number[];
  readonly steps: number;
  readonly cfgScale: number;
  readonly method: 'ddpm' | 'ddim';
  readonly eta: number;
  readonly seed: number;
  /** Images computed at once. */
  readonly batch: number;
  readonly signal: AbortSignal;
  /** Called after every sampling step with the image steps done so far. */
  readonly onProgress: (done: number) => void;
}

/** Draws one image per label. Image i has the noise of number i, whatever the batch or the model. */
export async function draw(
  ops: TensorOps,
  model: DiTModel,
  options: DrawOptions,
): Promise<ImageBatch> {
  const { labels, batch } = options;
  const { inChannels, inputSize } = model.config;
  const size = inChannels * inputSize ** 2;
  const values = new Float32Array(labels.length * size);
  for (let first = 0; first < labels.length; first += batch) {
    const part = labels.slice(first, first + batch);
    const { x } = await sample(ops, model, {
      labels: part,
      noise: seededNoise(options.seed),
      firstImage: first,
      steps: options.steps,
      cfgScale: options.cfgScale,
      method: options.method,
      eta: options.eta,
      signal: options.signal,
      onStep: ({ done }) => options.onProgress(first * options.steps + done * part.length),
    });
    values.set(x, first * size);
  }
  return { values, shape: [labels.length, inChannels, inputSize, inputSize] };
}

/** @throws ArgumentError where two models do not draw the same kind of image */
export function checkComparable([first, ...others]: readonly DiTConfig[]): void {
  for (const config of others) {
    const same =
      config.inChannels === first!.inChannels &&
      config.inputSize === first!.inputSize &&
      config.numClasses === first!.numClasses;
    if (!same) {
      throw new ArgumentError(
        'The models draw images of different size, channels or classes and cannot stand side by side.',
      );
    }
  }
}
