import { RandomStream } from '@vq4dit/core';
import { TRAINING_STEPS } from '@vq4dit/dit';
import type { Dataset } from './dataset.ts';
import type { TrainingSettings } from './settings.ts';

/** What one training step sees. */
export interface Batch {
  /** Clean images x_0 in [-1, 1], [N, 1, H, W]. */
  readonly start: Float32Array;
  /** Standard normal noise, of the same shape. */
  readonly noise: Float32Array;
  /** [N], 0 to 999. */
  readonly timesteps: Int32Array;
  /** [N]; the null label where the label was dropped. */
  readonly labels: Int32Array;
}

type BatchSettings = Pick<TrainingSettings, 'config' | 'batch' | 'seed' | 'mirrored'>;

/**
 * Draws the batch of any step by its number alone, so that a resumed run sees what an uninterrupted
 * one would. Every image comes once in each epoch, in an order of that epoch.
 */
export class BatchSource {
  private readonly dataset: Dataset;
  private readonly settings: BatchSettings;
  private readonly root: RandomStream;
  private epoch = -1;
  private order: Uint32Array = new Uint32Array();

  constructor(dataset: Dataset, settings: BatchSettings) {
    this.dataset = dataset;
    this.settings = settings;
    this.root = new RandomStream(settings.seed, 'train-demo');
  }

  /** @param step from 1 */
  at(step: number): Batch {
    const { config, batch: count, mirrored } = this.settings;
    const { size, images, labels: classes } = this.dataset;
    const pixels = size * size;
    const stream = this.root.derive('step', step);
    const flips = stream.derive('flips');
    const drops = stream.derive('drops');
    const times = stream.derive('timesteps');
    const start = new Float32Array(count * pixels);
    const labels = new Int32Array(count);
    const timesteps = new Int32Array(count);
    for (let i = 0; i < count; i++) {
      const image = this.imageAt((step - 1) * count + i);
      const label = classes[image]!;
      const flip = flips.uniform() < 0.5 && mirrored.includes(label);
      const from = images.subarray(image * pixels, (image + 1) * pixels);
      copyImage(from, start.subarray(i * pixels, (i + 1) * pixels), size, flip);
      labels[i] = drops.uniform() < config.classDropoutProb ? config.numClasses : label;
      timesteps[i] = times.integer(TRAINING_STEPS);
    }
    const noise = stream.derive('noise').fillNormal(new Float32Array(count * pixels));
    return { start, noise, timesteps, labels };
  }

  /** The image at a place in the sequence of all epochs. */
  private imageAt(place: number): number {
    const { count } = this.dataset;
    const epoch = Math.floor(place / count);
    if (epoch !== this.epoch) {
      this.order = this.root.derive('order', epoch).permutation(count);
      this.epoch = epoch;
    }
    return this.order[place % count]!;
  }
}

/** 0 to 255 becomes -1 to 1. */
function copyImage(from: Uint8Array, to: Float32Array, size: number, flip: boolean): void {
  for (let y = 0; y < size; y++) {
    for (let x = 0; x < size; x++) {
      const column = flip ? size - 1 - x : x;
      to[y * size + x] = from[y * size + column]! / 127.5 - 1;
    }
  }
}
