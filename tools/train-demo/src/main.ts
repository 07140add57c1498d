import { readFile } from 'node:fs/promises';
import { interruptSignal } from '@vq4dit/cli';
import { InputError, InterruptedError, TensorOps, VqError } from '@vq4dit/core';
import { type DiTConfig, parseDiTConfig } from '@vq4dit/dit';
import { CommanderError } from 'commander';
import { loadDataset } from './dataset.ts';
import { createCommand, type Flags } from './options.ts';
import { DEFAULT_SETTINGS, DEMO_CONFIG, type TrainingSettings } from './settings.ts';
import { startBackend } from './start-backend.ts';
import { train } from './train.ts';

/** Exit codes, as those of `vq4dit`: 1 the work failed, 2 wrong usage, 130 interrupted, 70 a bug. */
const FAILED = 1;
const USAGE = 2;
const INTERRUPTED = 130;
const BUG = 70;

/** Runs the command and gives the exit code; never throws. */
export async function main(args: readonly string[]): Promise<number> {
  try {
    await createCommand(run)
      .exitOverride()
      .parseAsync([...args], { from: 'user' });
    return 0;
  } catch (error) {
    // Commander has printed its own message.
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : USAGE;
    const known = error instanceof VqError;
    const text = known || !(error instanceof Error) ? String(error) : (error.stack ?? '');
    process.stderr.write(`train-demo: ${known ? error.message : `unexpected error:\n${text}`}\n`);
    if (error instanceof InterruptedError) return INTERRUPTED;
    return known ? FAILED : BUG;
  }
}

async function run(flags: Flags): Promise<void> {
  const config = flags.config === undefined ? DEMO_CONFIG : await readConfig(flags.config);
  const { lr: learningRate, steps, batch, seed, finalRate, warmup, weightDecay, ema } = flags;
  const settings: TrainingSettings = {
    ...DEFAULT_SETTINGS,
    ...{ config, steps, batch, seed, learningRate, finalRate, warmup, weightDecay, ema },
  };
  const dataset = await loadDataset(flags.data, config.numClasses);
  const backend = await startBackend(flags.backend, flags.threads);
  const quiet = flags.quiet ?? false;
  const say = (line: string) => {
    if (!quiet) process.stderr.write(`${line}\n`);
  };
  say(`Backend: ${backend.id} (${backend.info().device})`);
  const interrupt = interruptSignal(() =>
    say('Stopping after this step; press Ctrl-C again to stop at once.'),
  );
  try {
    await train({
      ...{ ops: new TensorOps(backend), dataset, settings, quiet, signal: interrupt.signal },
      out: flags.out,
      ...(flags.init === undefined ? {} : { init: flags.init }),
      saveEvery: flags.saveEvery,
      sampleEvery: flags.sampleEvery,
      exportOnly: flags.export ?? false,
    });
  } finally {
    interrupt.release();
    await backend.close();
  }
}

async function readConfig(path: string): Promise<DiTConfig> {
  try {
    return parseDiTConfig(JSON.parse(await readFile(path, 'utf8')), path).config;
  } catch (error) {
    if (error instanceof VqError) throw error;
    throw new InputError(`${path} cannot be read as JSON: ${(error as Error).message}.`);
  }
}
