import { OutputError } from '@vq4dit/core';
import { systemErrorCode } from './describe.ts';

const REASONS: Record<string, string> = {
  ENOSPC: 'the disk is full; free some space or write to another disk',
  EDQUOT: 'the disk quota is used up; free some space or write to another disk',
  EFBIG: 'the file system does not take files of this size; write to another disk',
  EACCES: 'writing there is not permitted; choose another place or change the permissions',
  EPERM: 'writing there is not permitted; choose another place or change the permissions',
  EROFS: 'the file system is read-only; choose another place',
  ENOENT: 'the folder it should go into does not exist; create it first',
  ENOTDIR: 'a part of the path is not a folder; choose another place',
  EISDIR: 'there is a folder of that name; choose another name',
  ENAMETOOLONG: 'the name is too long; choose a shorter one',
};

/** Says in one sentence why `path` could not be written. */
export function outputError(path: string, error: unknown): OutputError {
  const known = REASONS[systemErrorCode(error) ?? ''];
  const reason = known ?? (error instanceof Error ? error.message : String(error));
  return new OutputError(`${path} could not be written: ${reason}.`, { cause: error });
}

/** Runs one step that touches the disk; its failure becomes an {@link OutputError} on `path`. */
export async function output<T>(path: string, step: () => Promise<T>): Promise<T> {
  try {
    return await step();
  } catch (error) {
    throw outputError(path, error);
  }
}
