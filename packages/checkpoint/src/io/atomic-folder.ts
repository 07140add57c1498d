import { mkdir, readdir, rename, rm, rmdir } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import { OutputError } from '@vq4dit/core';
import type { AtomicWriteOptions } from './atomic-file.ts';
import { syncFolder, temporaryName, throwIfAborted } from './atomic-file.ts';
import { systemErrorCode } from './describe.ts';
import { output } from './output-error.ts';

/**
 * Writes a folder so that its name holds either the old content or all of the new one: `fill` gets
 * a temporary folder beside the output, which is renamed once `fill` is done. After any error the
 * temporary folder is removed. A folder that is already there is replaced only when it holds
 * nothing but names that the new one holds as well, so that a mistyped path never deletes
 * somebody's files. Files inside are flushed by whoever writes them (`writeFileAtomic` does).
 *
 * @throws OutputError where the folder cannot be written, or holds other files
 * @throws InterruptedError where the signal is aborted
 */
export async function writeFolderAtomic(
  path: string,
  fill: (folder: string) => Promise<void>,
  options: AtomicWriteOptions = {},
): Promise<void> {
  throwIfAborted(path, options.signal);
  const target = resolve(path);
  const temporary = join(dirname(target), temporaryName(basename(target)));
  await output(path, () => mkdir(temporary));
  try {
    await fill(temporary);
    throwIfAborted(path, options.signal);
    await replaceFolder(path, target, temporary);
  } catch (error) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(target));
}

async function replaceFolder(path: string, target: string, fresh: string): Promise<void> {
  const present = await output(path, () => list(target));
  if (present === undefined) return output(path, () => rename(fresh, target));
  if (present.length === 0) {
    await output(path, () => rmdir(target));
    return output(path, () => rename(fresh, target));
  }
  const names = new Set(await output(path, () => readdir(fresh)));
  const foreign = present.find((name) => !names.has(name));
  if (foreign !== undefined) {
    throw new OutputError(
      `${path} could not be written: there is a folder of that name which also holds ${JSON.stringify(foreign)}; choose another name or remove it.`,
    );
  }
  const old = join(dirname(target), temporaryName(basename(target)));
  await output(path, () => rename(target, old));
  try {
    await output(path, () => rename(fresh, target));
  } catch (error) {
    await rename(old, target).catch(() => undefined);
    throw error;
  }
  await rm(old, { recursive: true, force: true }).catch(() => undefined);
}

/** The names in a folder, or undefined where there is nothing of that name. */
async function list(folder: string): Promise<string[] | undefined> {
  try {
    return await readdir(folder);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return undefined;
    throw error;
  }
}
