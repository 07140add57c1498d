import { access, constants, mkdir, readdir, realpath, rm, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { outputError } from '@vq4dit/checkpoint';
import { ArgumentError, OutputError } from '@vq4dit/core';

/**
 * Outputs are checked before the work, which may take hours, and not only when they are written.
 * Whatever goes wrong in between is still found by the writer.
 */

/**
 * Checks that a file of this name can be written.
 *
 * @param inputs files that are read and must not be replaced
 * @throws ArgumentError, OutputError
 */
export async function checkOutputFile(path: string, inputs: readonly string[]): Promise<void> {
  await checkNoInput(path, inputs);
  try {
    const folder = dirname(resolve(path));
    if (!(await stat(folder)).isDirectory()) throw systemError('ENOTDIR');
    await access(folder, constants.W_OK);
    const present = await stat(path).catch(() => undefined);
    if (present?.isDirectory()) throw systemError('EISDIR');
    if (present && !present.isFile()) throw new Error('it is a special file; choose another name');
  } catch (error) {
    throw outputError(path, error);
  }
}

/**
 * Checks that a folder of this name can be written, and makes the folder that it goes into.
 *
 * @param names what will be in it; a folder that holds anything else is somebody's own
 * @param inputs files that are read and must not be replaced
 * @throws ArgumentError, OutputError
 */
export async function checkOutputFolder(
  path: string,
  names: readonly string[],
  inputs: readonly string[],
): Promise<void> {
  await checkNoInput(path, inputs);
  const foreign = (await list(path)).find((name) => !names.includes(name));
  if (foreign !== undefined) {
    throw new OutputError(
      `${path} could not be written: there is a folder of that name which also holds ${JSON.stringify(foreign)}; choose another name or remove it.`,
    );
  }
  try {
    const parent = dirname(resolve(path));
    await mkdir(parent, { recursive: true });
    await access(parent, constants.W_OK);
  } catch (error) {
    // A file in the place of the parent folder.
    throw outputError(path, codeOf(error) === 'EEXIST' ? systemError('ENOTDIR') : error);
  }
}

/** @throws ArgumentError where the output is one of the inputs, or the folder of one */
export async function checkNoInput(path: string, inputs: readonly string[]): Promise<void> {
  const target = await realpath(path).catch(() => undefined);
  if (target === undefined) return;
  for (const input of inputs) {
    const file = await realpath(input);
    if (file === target || dirname(file) === target) {
      throw new ArgumentError(
        `${path} is where the model ${input} is; writing there would destroy it, so choose another output.`,
      );
    }
  }
}

/**
 * Removes what programs that were killed while they wrote this output have left beside it:
 * `.<name>.tmp-<process id>-<random>`. What belongs to a living process stays.
 */
export async function removeLeftovers(path: string): Promise<void> {
  const parent = dirname(resolve(path));
  const start = `.${basename(resolve(path))}.tmp-`;
  for (const name of await list(parent)) {
    const [, id] = name.startsWith(start) ? (/^(\d+)-/.exec(name.slice(start.length)) ?? []) : [];
    if (id === undefined || isAlive(Number(id))) continue;
    await rm(join(parent, name), { recursive: true, force: true });
  }
}

function isAlive(processId: number): boolean {
  try {
    return process.kill(processId, 0);
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}

/** The names in a folder; none where there is nothing of that name yet. */
async function list(path: string): Promise<string[]> {
  try {
    if ((await stat(path)).isFile()) {
      throw new OutputError(
        `${path} could not be written: there is a file of that name; choose another name or remove it.`,
      );
    }
    return await readdir(path);
  } catch (error) {
    if (error instanceof OutputError) throw error;
    // ENOTDIR: a part of the path is a file, which making the parent folder will find.
    if (['ENOENT', 'ENOTDIR'].includes(codeOf(error) ?? '')) return [];
    throw outputError(path, error);
  }
}

function systemError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'code' in error ? String(error.code) : undefined;
}
