import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { writeFileAtomic } from '@vq4dit/checkpoint';
import { VqError } from '@vq4dit/core';
import { circumstances } from './machine.ts';
import { runWorker, type WorkerOptions } from './worker.ts';

/** A step of a cell as it was done, in `<step>.json`. */
export interface StepRecord<T> {
  /** Arguments of the worker; others mean that the step has to be done again. */
  readonly args: readonly string[];
  readonly result: T;
  readonly peakBytes: number;
  readonly seconds: number;
  /** Where the step was done, and beside how many others. */
  readonly machine: string;
  /** True where an earlier attempt was stopped, so that the times are only those of the last one. */
  readonly resumed: boolean;
}

/** A step that is not done, where nothing may be started. */
export class NotDoneError extends VqError {
  override readonly name = 'NotDoneError';
}

/** Options of {@link doStep}. */
export interface StepOptions extends WorkerOptions {
  /** Called before the step is done, and not where it is already. */
  readonly prepare?: () => Promise<void>;
  /** Gives what is recorded and starts nothing. */
  readonly recordedOnly?: boolean | undefined;
}

/**
 * Does one step of a cell in a worker, or gives what an earlier run has recorded. A step counts as
 * done when its record is written, whole.
 *
 * @throws NotDoneError where it is not and `recordedOnly` is set
 */
export async function doStep<T>(
  folder: string,
  name: string,
  args: readonly string[],
  { prepare, recordedOnly, ...options }: StepOptions,
): Promise<StepRecord<T>> {
  const file = join(folder, `${name}.json`);
  const begun = join(folder, `${name}.begun`);
  const found = await readRecord<T>(file);
  if (found && found.args.join('\0') === args.join('\0')) return found;
  if (recordedOnly) throw new NotDoneError(`${file} is not there, or of other settings.`);
  await prepare?.();
  await mkdir(folder, { recursive: true });
  const before = await readFile(begun, 'utf8').catch(() => undefined);
  await writeFile(begun, args.join('\0'));
  const done = await runWorker<T>(args, options);
  const machine = circumstances(options.concurrency ?? 1);
  const record: StepRecord<T> = { args, ...done, machine, resumed: before === args.join('\0') };
  await writeJson(file, record);
  await rm(begun, { force: true });
  return record;
}

async function readRecord<T>(file: string): Promise<StepRecord<T> | undefined> {
  const text = await readFile(file, 'utf8').catch(() => undefined);
  return text === undefined ? undefined : (JSON.parse(text) as StepRecord<T>);
}

/** Writes a document whole or not at all. */
export function writeJson(path: string, value: unknown): Promise<void> {
  return writeFileAtomic(path, [new TextEncoder().encode(`${JSON.stringify(value, null, 2)}\n`)]);
}
