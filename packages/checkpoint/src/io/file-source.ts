import { type FileHandle, open, stat } from 'node:fs/promises';
import { FileFormatError, InputError } from '@vq4dit/core';
import { type ByteSource, checkRange } from './byte-source.ts';
import { systemErrorCode } from './describe.ts';

/** One read call of the system takes at most 2 GiB; this keeps far below. */
const LARGEST_READ = 1 << 28;

/**
 * Opens a regular file for ranged reads; nothing of it is read yet.
 *
 * @throws InputError where it is missing, not permitted or not a regular file
 */
export async function openFileSource(path: string): Promise<ByteSource> {
  let handle: FileHandle;
  let size: number;
  try {
    // Asked before opening: opening a named pipe would wait for its writer.
    const stats = await stat(path);
    if (!stats.isFile()) {
      const kind = stats.isDirectory() ? 'a folder' : 'a special file';
      throw new InputError(`${path}: this is ${kind}, a regular file is needed.`);
    }
    handle = await open(path, 'r');
    size = (await handle.stat()).size;
  } catch (error) {
    throw error instanceof InputError ? error : inputError(path, error);
  }
  const source: ByteSource = {
    name: path,
    size,
    async read(offset, length) {
      checkRange(source, offset, length);
      const bytes = allocate(path, length);
      let done = 0;
      while (done < length) {
        const wanted = Math.min(length - done, LARGEST_READ);
        const got = await readSome(path, handle, bytes, done, wanted, offset + done);
        if (got === 0) {
          throw new FileFormatError(
            `${path}: the file ended at byte ${offset + done} although it had ${size} bytes when it was opened; something is changing it.`,
          );
        }
        done += got;
      }
      return bytes;
    },
    async close() {
      await handle.close();
    },
  };
  return source;
}

function allocate(path: string, length: number): Uint8Array {
  try {
    // Not zeroed: every byte is overwritten or the buffer is dropped.
    const buffer = Buffer.allocUnsafeSlow(length);
    return new Uint8Array(buffer.buffer, buffer.byteOffset, length);
  } catch {
    throw new InputError(
      `${path}: ${length} bytes do not fit into memory at once; read the tensor in ranges.`,
    );
  }
}

async function readSome(
  path: string,
  handle: FileHandle,
  into: Uint8Array,
  at: number,
  length: number,
  position: number,
): Promise<number> {
  try {
    return (await handle.read(into, at, length, position)).bytesRead;
  } catch (error) {
    throw inputError(path, error);
  }
}

function inputError(path: string, error: unknown): InputError {
  const reasons: Record<string, string> = {
    ENOENT: 'there is no such file; check the path',
    EACCES: 'reading it is not permitted',
    EPERM: 'reading it is not permitted',
    ENOTDIR: 'a part of the path is not a folder',
    EMFILE: 'too many files are open',
    EBADF: 'it was read after it had been closed',
  };
  const code = systemErrorCode(error) ?? '';
  const reason = reasons[code] ?? (error instanceof Error ? error.message : String(error));
  return new InputError(`${path}: ${reason}.`, { cause: error });
}
