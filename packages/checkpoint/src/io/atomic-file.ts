import { randomBytes } from 'node:crypto';
import { type FileHandle, open, realpath, rename, rm, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { InterruptedError, OutputError } from '@vq4dit/core';
import { systemErrorCode } from './describe.ts';
import { output } from './output-error.ts';

/** Options of {@link writeFileAtomic}. */
export interface AtomicWriteOptions {
  /** Stops between two chunks; nothing is left behind. */
  readonly signal?: AbortSignal;
}

/**
 * Writes a file so that its name holds either the old content or all of the new one: the chunks go
 * to a temporary file in the same folder, which is flushed to the disk and then renamed. After any
 * error the temporary file is removed; only a killed process leaves one (`.<name>.tmp-*`) behind.
 * An error of `chunks` itself reaches the caller unchanged.
 *
 * @throws OutputError where the file cannot be written (disk full, not permitted, ...)
 * @throws InterruptedError where the signal is aborted
 */
export async function writeFileAtomic(
  path: string,
  chunks: Iterable<Uint8Array> | AsyncIterable<Uint8Array>,
  options: AtomicWriteOptions = {},
): Promise<void> {
  throwIfAborted(path, options.signal);
  const target = await output(path, () => finalTarget(path));
  const temporary = join(dirname(target), temporaryName(basename(target)));
  const handle = await output(path, () => open(temporary, 'wx'));
  try {
    try {
      for await (const chunk of chunks) {
        throwIfAborted(path, options.signal);
        await output(path, () => writeAll(handle, chunk));
      }
      throwIfAborted(path, options.signal);
      await output(path, () => handle.sync());
    } finally {
      // Some file systems report a full disk only here.
      await output(path, () => handle.close());
    }
    await output(path, () => rename(temporary, target));
  } catch (error) {
    await rm(temporary, { force: true }).catch(() => undefined);
    throw error;
  }
  await syncFolder(dirname(target));
}

/** `.<name>.tmp-<random>`: hidden, beside the output, so that the rename stays on one disk. */
export function temporaryName(name: string): string {
  return `.${name}.tmp-${process.pid}-${randomBytes(6).toString('hex')}`;
}

/** Makes a rename durable. Not every system can flush a folder, and none needs it to be correct. */
export async function syncFolder(folder: string): Promise<void> {
  try {
    const handle = await open(folder, 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  } catch {
    // Windows, some network file systems.
  }
}

/** Throws the error of stopped work, once `signal` is aborted. */
export function throwIfAborted(path: string, signal: AbortSignal | undefined): void {
  if (signal?.aborted) {
    throw new InterruptedError(`Writing ${path} was stopped; nothing was changed there.`);
  }
}

/** Follows links, so that the linked file is replaced and not the link; refuses anything special. */
async function finalTarget(path: string): Promise<string> {
  try {
    const stats = await stat(path);
    // A rename over a device such as /dev/null would take it away from the whole system.
    if (!stats.isFile()) {
      const kind = stats.isDirectory() ? 'folder' : 'special file';
      throw new OutputError(`there is a ${kind} of that name; choose another name`);
    }
    return await realpath(path);
  } catch (error) {
    if (systemErrorCode(error) === 'ENOENT') return path;
    throw error;
  }
}

async function writeAll(handle: FileHandle, chunk: Uint8Array): Promise<void> {
  let done = 0;
  while (done < chunk.byteLength) {
    const { bytesWritten } = await handle.write(chunk, done, chunk.byteLength - done, null);
    done += bytesWritten;
  }
}
