import { InterruptedError, ModelError } from '../../errors.ts';
import type { TensorOps } from '../../tensor/ops.ts';
import { distill } from './distill.ts';
import {
  CalibratedLayer,
  type CalibratedWeight,
  type LayerStart,
  type LayerState,
} from './layer.ts';
import type { BlockStack, CalibrationSource, CalibrationStep } from './model.ts';
import { type CalibrationOptions, checkCalibrationOptions } from './options.ts';

/** How far a calibration is, sent after every step. */
export interface CalibrationProgress {
  readonly trajectory: number;
  readonly timestep: number;
  /** Steps done and to do, over all trajectories. */
  readonly step: number;
  readonly steps: number;
  /** Mean over blocks of the MSE of their outputs, with the weights before the step. */
  readonly blockError: number;
  /** Mean over soft layers of the ratio penalty; 0 when all are hard. */
  readonly penalty: number;
  readonly hardLayers: number;
  readonly layers: number;
}

/** A calibration that was stopped between two trajectories. */
export interface CalibrationState {
  /** Trajectories that are finished. */
  readonly trajectories: number;
  readonly layers: ReadonlyMap<string, LayerState>;
}

/** What {@link calibrate} works on and reports to. */
export interface CalibrationJob {
  readonly stack: BlockStack;
  readonly source: CalibrationSource;
  /** Every calibrated layer, by its name without `.weight`. */
  readonly layers: ReadonlyMap<string, LayerStart>;
  readonly trajectories: number;
  readonly options: CalibrationOptions;
  /** Goes on from here instead of from the start. */
  readonly resume?: CalibrationState;
  readonly signal?: AbortSignal;
  /** Called after every optimizer step. */
  onProgress?(progress: CalibrationProgress): void;
  /** Called after each trajectory; what it is given is enough to resume. */
  onTrajectory?(state: CalibrationState): Promise<void>;
}

/**
 * Zero-data block-wise calibration (paper, section on data-free calibration; equations 5 to 10):
 * trains codebooks, ratios and biases at every timestep of the floating-point model's own sampling
 * trajectories, until every sub-vector has one hard assignment.
 *
 * @throws InterruptedError when `signal` is aborted; the last state given to `onTrajectory` resumes.
 * @throws ModelError when a block names a layer that is not there.
 */
export async function calibrate(
  ops: TensorOps,
  job: CalibrationJob,
): Promise<Map<string, CalibratedWeight>> {
  checkCalibrationOptions(job.options);
  const run = new CalibrationRun(ops, job);
  try {
    for (let t = job.resume?.trajectories ?? 0; t < job.trajectories; t++) {
      await run.walk(t);
      await job.onTrajectory?.(await run.state(t + 1));
    }
    return await run.results();
  } finally {
    run.dispose();
  }
}

class CalibrationRun {
  private readonly ops: TensorOps;
  private readonly job: CalibrationJob;
  private readonly layers = new Map<string, CalibratedLayer>();
  private readonly steps: number;

  constructor(ops: TensorOps, job: CalibrationJob) {
    this.ops = ops;
    this.job = job;
    this.steps = job.trajectories * job.source.stepsPerTrajectory;
    for (let block = 0; block < job.stack.blockCount; block++) {
      for (const name of job.stack.layersOf(block)) {
        const start = job.layers.get(name);
        if (!start) throw new ModelError(`Layer ${name} of block ${block} was not quantized.`);
        const state = job.resume?.layers.get(name);
        this.layers.set(name, new CalibratedLayer(ops, start, job.options, state));
      }
    }
  }

  /** All timesteps of one trajectory. */
  async walk(trajectory: number): Promise<void> {
    const { source, signal } = this.job;
    let bestPenalty = Number.POSITIVE_INFINITY;
    let step = trajectory * source.stepsPerTrajectory;
    for await (const teacher of source.trajectory(this.ops, trajectory)) {
      if (signal?.aborted) {
        throw new InterruptedError(
          `Calibration was interrupted in trajectory ${trajectory + 1}; run the same command again to go on.`,
        );
      }
      const { blockError, penalty } = await this.train(teacher, step, bestPenalty);
      bestPenalty = Math.min(bestPenalty, penalty);
      step++;
      this.job.onProgress?.({
        trajectory,
        timestep: teacher.timestep,
        step,
        steps: this.steps,
        blockError,
        penalty,
        hardLayers: [...this.layers.values()].filter((layer) => layer.hard).length,
        layers: this.layers.size,
      });
    }
  }

  /** One optimizer step, and the hardening that is due after it. */
  private async train(teacher: CalibrationStep, step: number, bestPenalty: number) {
    const { options } = this.job;
    const progress = step / this.steps;
    if (progress >= options.hardenDeadline) await this.hardenAll();
    const measured = await distill({
      ops: this.ops,
      stack: this.job.stack,
      layers: this.layers,
      teacher,
      options,
      penaltyWeight: (penalty) => penaltyWeight(options, progress, penalty, bestPenalty),
      rates: this.learningRates(progress),
    });
    await this.hardenDecided(measured.penalty);
    return measured;
  }

  private learningRates(progress: number): CalibrationOptions['learningRates'] {
    const { learningRates } = this.job.options;
    const factor = rateFactor(this.job.options, progress);
    return {
      codebook: learningRates.codebook * factor,
      softCodebook: learningRates.softCodebook * factor,
      bias: learningRates.bias * factor,
      ratio: learningRates.ratio,
    };
  }

  private async hardenDecided(penalty: number): Promise<void> {
    const { options } = this.job;
    if (options.hardening === 'together') {
      if (penalty < options.hardenBelow) await this.hardenAll();
      return;
    }
    for (const layer of this.layers.values()) {
      const share = layer.decidedShare(this.ops);
      if (!share) continue;
      const decided = await this.ops.readScalar(share);
      share.dispose();
      if (decided > 0.99) await layer.harden(this.ops);
    }
  }

  private async hardenAll(): Promise<void> {
    for (const layer of this.layers.values()) await layer.harden(this.ops);
  }

  async state(trajectories: number): Promise<CalibrationState> {
    const layers = new Map<string, LayerState>();
    for (const [name, layer] of this.layers) layers.set(name, await layer.state(this.ops));
    return { trajectories, layers };
  }

  async results(): Promise<Map<string, CalibratedWeight>> {
    const results = new Map<string, CalibratedWeight>();
    for (const [name, layer] of this.layers) results.set(name, await layer.result(this.ops));
    return results;
  }

  dispose(): void {
    for (const layer of this.layers.values()) layer[Symbol.dispose]();
  }
}

/** What the rates of codebooks and biases are multiplied with. */
function rateFactor(
  { learningRateSchedule, hardenDeadline, warmup }: CalibrationOptions,
  progress: number,
): number {
  const rise = progress < warmup ? progress / warmup : 1;
  if (learningRateSchedule === 'constant') return rise;
  const start = learningRateSchedule === 'cosine' ? 0 : hardenDeadline;
  if (progress <= start) return rise;
  return (rise * (1 + Math.cos((Math.PI * (progress - start)) / (1 - start)))) / 2;
}

/** lambda_r at this point of the run. */
function penaltyWeight(
  options: CalibrationOptions,
  progress: number,
  penalty: number,
  best: number,
): number {
  switch (options.penaltySchedule) {
    case 'constant':
      return options.penaltyWeight;
    case 'ramp':
      return options.penaltyWeight * Math.min(1, progress / Math.max(options.hardenDeadline, 1e-9));
    case 'when-stalled':
      return penalty > best ? options.penaltyWeight : 0;
  }
}
