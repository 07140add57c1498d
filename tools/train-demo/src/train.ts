import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { InterruptedError, type TensorOps } from '@vq4dit/core';
import { BatchSource } from './batch.ts';
import type { Dataset } from './dataset.ts';
import { exportModel } from './export.ts';
import { LossLog } from './loss-log.ts';
import { Progress } from './progress.ts';
import { writeSampleSheet } from './sample-sheet.ts';
import { checkSettings, learningRateAt, type TrainingSettings } from './settings.ts';
import { startWeights } from './start-weights.ts';
import { loadTraining, saveTraining } from './state-file.ts';
import { startState, Trainer } from './trainer.ts';

/** One run of the training. */
export interface TrainingJob {
  readonly ops: TensorOps;
  readonly dataset: Dataset;
  readonly settings: TrainingSettings;
  /** Path of a trained model to start from; without it, from new weights. */
  readonly init?: string;
  /** Folder of everything that is written. */
  readonly out: string;
  /** Steps between two saved states. */
  readonly saveEvery: number;
  /** Steps between two sample sheets; 0 draws none. */
  readonly sampleEvery: number;
  /** Trains no further than the saved state, but exports it. */
  readonly exportOnly: boolean;
  readonly quiet: boolean;
  readonly signal: AbortSignal;
}

/**
 * Trains, from the saved state in the output folder where there is one, and exports the model.
 *
 * @throws InterruptedError when the signal is aborted; what is done by then is saved
 */
export async function train(job: TrainingJob): Promise<void> {
  const { ops, dataset, settings, out, signal } = job;
  checkSettings(settings, dataset.size);
  await mkdir(join(out, 'samples'), { recursive: true });
  const statePath = join(out, 'state.safetensors');
  const { config, steps, seed } = settings;
  const start = await startWeights(config, seed, job.init);
  const identity = identityOf(job, start.digest);
  const saved = await loadTraining(statePath, identity, config);
  let done = saved?.step ?? 0;
  note(
    job,
    done > 0 ? `Going on after step ${done}.` : `Starting from ${job.init ?? 'new weights'}.`,
  );
  const state = saved?.state ?? startState(start.weights);
  using trainer = new Trainer(ops, settings, state);
  const save = async () =>
    saveTraining(statePath, identity, config, { step: done, state: await trainer.state() });

  if (!job.exportOnly && done < steps) {
    const batches = new BatchSource(dataset, settings);
    const log = await LossLog.open(join(out, 'loss.jsonl'), done);
    const progress = new Progress(steps, done, job.quiet);
    try {
      while (done < steps) {
        if (signal.aborted) {
          await save();
          throw new InterruptedError(
            `Stopped after step ${done}; run the same command again to go on.`,
          );
        }
        const started = performance.now();
        const step = done + 1;
        const losses = await trainer.step(step, batches.at(step));
        done = step;
        const milliseconds = Math.round(performance.now() - started);
        const learningRate = learningRateAt(settings, step);
        await log.add({ step, ...losses, learningRate, milliseconds });
        progress.update(step, losses);
        if (job.sampleEvery > 0 && step % job.sampleEvery === 0 && step < steps) {
          const sheet = join(out, 'samples', `step-${String(step).padStart(6, '0')}.png`);
          // An interrupt leaves this sheet out and is seen again at the next step.
          await writeSampleSheet(sheet, ops, trainer.model('ema'), signal).catch(ignoreInterrupt);
        }
        if (step % job.saveEvery === 0 || step === steps) await save();
        // Computing may be synchronous: lets signals through.
        await new Promise((resolve) => setTimeout(resolve, 0));
      }
    } finally {
      progress.end();
      await log.close();
    }
  }

  const folder = join(out, 'model');
  const metadata = { steps: String(done), training: identity };
  await exportModel(folder, config, await trainer.state(), metadata);
  const sheet = join(folder, 'samples.png');
  if (job.sampleEvery > 0) await writeSampleSheet(sheet, ops, trainer.model('ema'), signal);
  else await rm(sheet, { force: true });
  note(job, `The model after ${done} steps is in ${folder}.`);
}

function ignoreInterrupt(error: unknown): void {
  if (!(error instanceof InterruptedError)) throw error;
}

/** Whatever changes the bits of the weights; a state is only resumed where all of it is the same. */
function identityOf({ settings, dataset, ops }: TrainingJob, init: string | undefined): string {
  return JSON.stringify({ ...settings, data: dataset.digest, backend: ops.backend.id, init });
}

function note(job: TrainingJob, line: string): void {
  if (!job.quiet) process.stderr.write(`${line}\n`);
}
