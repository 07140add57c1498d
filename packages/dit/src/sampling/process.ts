import { ArgumentError, InterruptedError, NonFiniteError } from '@vq4dit/core';
import { type DiTConfig, outChannels } from '../config/config.ts';
import type { NoiseSource } from '../diffusion/noise.ts';
import { type FixedVariance, predict } from '../diffusion/prediction.ts';
import { type DiffusionSchedule, diffusionSchedule } from '../diffusion/schedule.ts';
import { ddimStep, ddpmStep } from '../diffusion/steps.ts';
import { checkLabels, type HostVector } from '../model/embed.ts';
import { checkGuidance, withNullLabels } from './guidance.ts';

/** What is sampled, and how. */
export interface ProcessOptions {
  /** One class per image. */
  readonly labels: HostVector;
  readonly noise: NoiseSource;
  /** Sampling steps, 1 to 1000. */
  readonly steps: number;
  /** Guidance scale; 1 (the default) is no guidance and half the work. */
  readonly cfgScale?: number;
  /** Default `ddpm`. */
  readonly method?: 'ddpm' | 'ddim';
  /** Noise of DDIM, 0 (the default) to 1. */
  readonly eta?: number;
  /** Clip the predicted image to [-1, 1] at every step. Default false, as the reference for DiT. */
  readonly clip?: boolean;
  /** Only for models that do not learn sigma. Default `large`. */
  readonly fixedVariance?: FixedVariance;
  /** The noise source's number of the first image; an image's noise goes by number. Default 0. */
  readonly firstImage?: number;
  readonly signal?: AbortSignal;
}

/** The images of a batch on their way from noise to x_0, on the host. */
export class SamplingProcess {
  readonly schedule: DiffusionSchedule;
  readonly cfgScale: number;
  readonly guided: boolean;
  /** Images [N, C, H, W]; changed by {@link advance}. */
  readonly x: Float32Array;
  /** Labels of the model's batch: the null labels follow where there is guidance. */
  readonly batchLabels: Int32Array;
  private readonly config: DiTConfig;
  private readonly options: ProcessOptions;
  private readonly imageSize: number;
  private readonly count: number;

  /** @throws ArgumentError for an option outside its range or a label that does not exist */
  constructor(config: DiTConfig, options: ProcessOptions) {
    const { labels, noise, steps, cfgScale = 1, eta = 0, firstImage = 0 } = options;
    if (labels.length === 0) throw new ArgumentError('There are no labels to sample.');
    checkLabels(config, labels);
    checkGuidance(config, cfgScale);
    if (!(eta >= 0 && eta <= 1)) throw new ArgumentError(`eta must be from 0 to 1, not ${eta}.`);
    this.config = config;
    this.options = options;
    this.schedule = diffusionSchedule(steps);
    this.cfgScale = cfgScale;
    this.guided = cfgScale !== 1;
    this.count = labels.length;
    this.batchLabels = this.guided ? withNullLabels(config, labels) : Int32Array.from(labels);
    this.imageSize = config.inChannels * config.inputSize ** 2;
    this.x = new Float32Array(this.count * this.imageSize);
    for (let i = 0; i < this.count; i++) noise.initial(firstImage + i, this.image(i));
  }

  /** [N, C, H, W] */
  get shape(): readonly [number, number, number, number] {
    const { inChannels, inputSize } = this.config;
    return [this.count, inChannels, inputSize, inputSize];
  }

  /** The model's input, [N or 2N, C, H, W]: with guidance every image is there twice. */
  get batch(): { readonly values: Float32Array; readonly shape: readonly number[] } {
    if (!this.guided) return { values: this.x, shape: this.shape };
    const values = new Float32Array(2 * this.x.length);
    values.set(this.x);
    values.set(this.x, this.x.length);
    return { values, shape: [2 * this.count, ...this.shape.slice(1)] };
  }

  /** The timestep that the model is told, once per image of its batch. */
  timesteps(step: number): Int32Array {
    return new Int32Array(this.batchLabels.length).fill(this.schedule.timestepMap[step]!);
  }

  /**
   * Moves all images one step.
   *
   * @param step index into the schedule, from `steps - 1` down to 0
   * @param output the model's guided output [N, C or 2C, H, W]
   * @throws NonFiniteError where the model gave NaN or infinity
   */
  advance(step: number, output: Float32Array): void {
    const { method = 'ddpm', eta = 0, noise, firstImage = 0 } = this.options;
    const { learnSigma } = this.config;
    if (!output.every(Number.isFinite)) {
      throw new NonFiniteError(
        `The model's output at timestep ${this.schedule.timestepMap[step]} is not finite; its weights or the backend are at fault.`,
      );
    }
    const needsNoise = step > 0 && (method === 'ddpm' || eta > 0);
    const draw = needsNoise ? new Float32Array(this.imageSize) : undefined;
    const outputSize = (this.imageSize / this.config.inChannels) * outChannels(this.config);
    for (let i = 0; i < this.count; i++) {
      const image = this.image(i);
      if (draw) noise.step(firstImage + i, this.schedule.steps - 1 - step, draw);
      const own = output.subarray(i * outputSize, (i + 1) * outputSize);
      const prediction = predict(this.schedule, step, image, own, { ...this.options, learnSigma });
      if (method === 'ddim') ddimStep(this.schedule, step, image, prediction, draw, eta);
      else ddpmStep(this.schedule, step, image, prediction, draw);
    }
  }

  /**
   * Lets timers, signals and the page run, then stops if that was asked for. A backend that
   * computes synchronously would otherwise never let an interrupt through.
   *
   * @throws InterruptedError
   */
  async pause(): Promise<void> {
    await new Promise((resolve) => setTimeout(resolve, 0));
    if (this.options.signal?.aborted) throw new InterruptedError('Sampling was stopped.');
  }

  private image(index: number): Float32Array {
    return this.x.subarray(index * this.imageSize, (index + 1) * this.imageSize);
  }
}
