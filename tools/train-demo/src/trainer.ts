import { adamwStep, NonFiniteError, Tape, type Tensor, type TensorOps } from '@vq4dit/core';
import {
  type DiffusionSchedule,
  type DiTModel,
  diffusionSchedule,
  ditForward,
  expectedTensors,
} from '@vq4dit/dit';
import type { Batch } from './batch.ts';
import { POSITIONS } from './initial-weights.ts';
import { hybridLoss } from './loss.ts';
import { learningRateAt, type TrainingSettings } from './settings.ts';

/** What is kept of one weight: itself, Adam's two moments, and the moving average. */
export const PARTS = ['value', 'mean', 'square', 'ema'] as const;
/** A name in {@link PARTS}. */
export type Part = (typeof PARTS)[number];

/** Everything that training needs to go on, by part and name. */
export type TrainerState = ReadonlyMap<string, Readonly<Record<Part, Float32Array>>>;

/** Loss of one step, before its update. */
export interface StepLoss {
  readonly loss: number;
  readonly mse: number;
  readonly bound: number;
}

/** The state of a training that has not begun. */
export function startState(weights: ReadonlyMap<string, Float32Array>): TrainerState {
  return new Map(
    [...weights].map(([name, value]) => {
      const zeros = new Float32Array(value.length);
      return [name, { value, mean: zeros, square: zeros, ema: value }];
    }),
  );
}

type Parameter = Record<Part, Tensor>;

/** The weights of a DiT in training. Dispose it once. */
export class Trainer implements Disposable {
  private readonly ops: TensorOps;
  private readonly settings: TrainingSettings;
  private readonly schedule: DiffusionSchedule = diffusionSchedule();
  private readonly parameters = new Map<string, Parameter>();

  constructor(ops: TensorOps, settings: TrainingSettings, state: TrainerState) {
    this.ops = ops;
    this.settings = settings;
    for (const [name, shape] of expectedTensors(settings.config)) {
      const from = state.get(name)!;
      const upload = (part: Part) => ops.tensor(from[part], shape);
      this.parameters.set(name, {
        value: upload('value'),
        mean: upload('mean'),
        square: upload('square'),
        ema: upload('ema'),
      });
    }
  }

  /** The model with one part of the state as its weights; valid until the next step. */
  model(part: 'value' | 'ema'): DiTModel {
    const lookup = (name: string) => this.parameters.get(name)![part];
    return { config: this.settings.config, lookup };
  }

  /**
   * Loss and gradients of one batch, by name.
   *
   * @returns tensors that the caller owns
   */
  gradients(batch: Batch): { losses: Tensor[]; gradients: Map<string, Tensor> } {
    const { config } = this.settings;
    const shape = [batch.labels.length, config.inChannels, config.inputSize, config.inputSize];
    const trained = [...this.parameters].filter(([name]) => name !== POSITIONS);
    const leaves = trained.map(([, { value }]) => value);
    return this.ops.scope((ops) => {
      using tape = new Tape(ops, leaves);
      const { loss, mse, bound } = tape.ops.scope((s) => {
        const start = s.tensor(batch.start, shape);
        const noise = s.tensor(batch.noise, shape);
        const noisy = mixNoise(s, this.schedule, start, noise, batch.timesteps);
        const output = ditForward(s, this.model('value'), noisy, batch.timesteps, batch.labels);
        return hybridLoss(s, this.schedule, output, { ...batch, start, noise });
      });
      const gradients = tape.gradients(loss, leaves);
      return {
        losses: [loss, mse, bound],
        gradients: new Map(trained.map(([name], i) => [name, gradients[i]!])),
      };
    });
  }

  /**
   * One optimizer step.
   *
   * @param step from 1
   * @throws NonFiniteError where the loss is no number; the weights are then as before the step
   */
  async step(step: number, batch: Batch): Promise<StepLoss> {
    const { losses, gradients } = this.gradients(batch);
    try {
      const joined = this.ops.scope((s) =>
        s.concat(
          losses.map((x) => s.reshape(x, [1])),
          0,
        ),
      );
      const [loss, mse, bound] = await this.ops.read(joined);
      joined.dispose();
      if (!Number.isFinite(loss)) {
        throw new NonFiniteError(
          `The loss of step ${step} is ${loss}; try a lower --lr or a longer --warmup.`,
        );
      }
      for (const [name, gradient] of gradients) this.update(name, gradient, step);
      return { loss: loss!, mse: mse!, bound: bound! };
    } finally {
      for (const tensor of [...losses, ...gradients.values()]) tensor.dispose();
    }
  }

  private update(name: string, gradient: Tensor, step: number): void {
    const { beta1, beta2, epsilon, weightDecay, ema: decay } = this.settings;
    const old = this.parameters.get(name)!;
    const learningRate = learningRateAt(this.settings, step);
    const constants = { learningRate, beta1, beta2, epsilon, weightDecay, step };
    const next = this.ops.scope((s): Parameter => {
      const updated = adamwStep(s, old.value, gradient, old.mean, old.square, constants);
      const gap = s.sub(updated.value, old.ema);
      return { ...updated, ema: s.add(old.ema, s.mul(gap, s.scalar(1 - decay))) };
    });
    for (const part of PARTS) old[part].dispose();
    this.parameters.set(name, next);
  }

  /** Copies the whole state to the host. */
  async state(): Promise<TrainerState> {
    const state = new Map<string, Record<Part, Float32Array>>();
    for (const [name, { value, mean, square, ema }] of this.parameters) {
      state.set(name, {
        value: await this.ops.read(value),
        mean: await this.ops.read(mean),
        square: await this.ops.read(square),
        ema: await this.ops.read(ema),
      });
    }
    return state;
  }

  [Symbol.dispose](): void {
    for (const parameter of this.parameters.values()) {
      for (const part of PARTS) parameter[part].dispose();
    }
  }
}

/** x_t = sqrt(a) x_0 + sqrt(1 - a) noise (Ho et al. 2020, equation 4). [N, C, H, W] */
export function mixNoise(
  ops: TensorOps,
  schedule: DiffusionSchedule,
  start: Tensor,
  noise: Tensor,
  timesteps: Int32Array,
): Tensor {
  const perImage = (entry: (alpha: number) => number) =>
    Float32Array.from(timesteps, (t) => entry(schedule.alphasCumprod[t]!));
  return ops.scope((s) => {
    const shape = [timesteps.length, 1, 1, 1];
    const ofStart = s.tensor(perImage(Math.sqrt), shape);
    const ofNoise = s.tensor(
      perImage((alpha) => Math.sqrt(1 - alpha)),
      shape,
    );
    return s.add(s.mul(start, ofStart), s.mul(noise, ofNoise));
  });
}
