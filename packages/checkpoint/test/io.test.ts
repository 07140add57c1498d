import { mkdtemp, open, readdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { FileFormatError, InputError, InterruptedError, OutputError } from '@vq4dit/core';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { memorySource, openFileSource, writeFileAtomic, writeFolderAtomic } from '../src/index.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'checkpoint-io-'));
});
afterEach(async () => {
  vi.restoreAllMocks();
  await rm(folder, { recursive: true });
});

const bytes = (...values: number[]) => Uint8Array.from(values);

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: made by the test`), { code });
}

/** The object that carries the methods of every file handle, so that one of them can fail. */
async function handleMethods(): Promise<{
  write: () => Promise<unknown>;
  sync: () => Promise<void>;
  read: () => Promise<unknown>;
}> {
  const handle = await open(folder, 'r');
  await handle.close();
  return Object.getPrototypeOf(handle);
}

describe('byte sources', () => {
  it('read any range of a file', async () => {
    await writeFile(join(folder, 'a'), bytes(1, 2, 3, 4, 5));
    const source = await openFileSource(join(folder, 'a'));
    expect(source.size).toBe(5);
    expect(await Promise.all([source.read(1, 3), source.read(0, 0), source.read(5, 0)])).toEqual([
      bytes(2, 3, 4),
      bytes(),
      bytes(),
    ]);
    await source.close();
    await expect(source.read(0, 1)).rejects.toThrow(InputError);
  });

  it('refuse ranges outside, before anything is allocated', async () => {
    await writeFile(join(folder, 'a'), bytes(1, 2, 3));
    const file = await openFileSource(join(folder, 'a'));
    for (const source of [file, memorySource(bytes(1, 2, 3))]) {
      for (const [offset, length] of [
        [0, 4],
        [4, 0],
        [-1, 1],
        [0, -1],
        [0.5, 1],
        [0, Number.NaN],
        [2 ** 60, 1],
        [0, 2 ** 60],
      ] as const) {
        await expect(source.read(offset, length)).rejects.toThrow(FileFormatError);
      }
    }
    await file.close();
  });

  it('notice a file that shrinks while it is open', async () => {
    await writeFile(join(folder, 'a'), new Uint8Array(100));
    const source = await openFileSource(join(folder, 'a'));
    await writeFile(join(folder, 'a'), new Uint8Array(10));
    await expect(source.read(0, 100)).rejects.toThrow(/ended at byte 10/);
    await source.close();
  });

  it('put short reads together', async () => {
    await writeFile(join(folder, 'a'), bytes(1, 2, 3, 4, 5));
    const methods = await handleMethods();
    const read = methods.read as unknown as (...args: unknown[]) => Promise<unknown>;
    vi.spyOn(methods as { read: typeof read }, 'read').mockImplementation(function (
      this: unknown,
      into,
      at,
      length,
      position,
    ) {
      return read.call(this, into, at, Math.min(2, Number(length)), position);
    });
    const source = await openFileSource(join(folder, 'a'));
    expect(await source.read(0, 5)).toEqual(bytes(1, 2, 3, 4, 5));
    await source.close();
  });

  it('say what is wrong with a path', async () => {
    await expect(openFileSource(join(folder, 'none'))).rejects.toThrow(
      /none: there is no such file/,
    );
    await expect(openFileSource(folder)).rejects.toThrow(InputError);
    await expect(openFileSource(folder)).rejects.toThrow(/this is a folder/);
    await expect(openFileSource('/dev/null')).rejects.toThrow(/special file/);
  });
});

describe('writeFileAtomic', () => {
  it('writes all chunks and leaves nothing else', async () => {
    const path = join(folder, 'out');
    await writeFileAtomic(path, [bytes(1, 2), bytes(), bytes(3)]);
    expect(new Uint8Array(await readFile(path))).toEqual(bytes(1, 2, 3));
    await writeFileAtomic(path, [bytes(9)]);
    expect(new Uint8Array(await readFile(path))).toEqual(bytes(9));
    expect(await readdir(folder)).toEqual(['out']);
  });

  it.each([
    ['write', 'ENOSPC', /out could not be written: the disk is full/],
    ['write', 'EIO', /out could not be written: EIO/],
    ['sync', 'EDQUOT', /quota/],
  ] as const)('%s failing with %s keeps the old file', async (method, code, message) => {
    const path = join(folder, 'out');
    await writeFile(path, 'old');
    vi.spyOn(await handleMethods(), method).mockRejectedValue(systemError(code));
    const writing = writeFileAtomic(path, [bytes(1)]);
    await expect(writing).rejects.toThrow(OutputError);
    await expect(writing).rejects.toThrow(message);
    expect(await readdir(folder)).toEqual(['out']);
    expect(await readFile(path, 'utf8')).toBe('old');
  });

  it('passes an error of the producer on and removes what was written', async () => {
    async function* failing() {
      yield bytes(1);
      throw new RangeError('mine');
    }
    await expect(writeFileAtomic(join(folder, 'out'), failing())).rejects.toThrow(RangeError);
    expect(await readdir(folder)).toEqual([]);
  });

  it('stops at an abort, also one that comes between chunks', async () => {
    const aborter = new AbortController();
    function* aborting() {
      yield bytes(1);
      aborter.abort();
      yield bytes(2);
    }
    const path = join(folder, 'out');
    for (const chunks of [aborting(), [bytes(1)]]) {
      const writing = writeFileAtomic(path, chunks, { signal: aborter.signal });
      await expect(writing).rejects.toThrow(InterruptedError);
      expect(await readdir(folder)).toEqual([]);
    }
  });

  it('refuses targets that a rename would destroy, and folders that are not there', async () => {
    await expect(writeFileAtomic('/dev/null', [])).rejects.toThrow(/special file/);
    await expect(writeFileAtomic(folder, [])).rejects.toThrow(/there is a folder of that name/);
    await expect(writeFileAtomic(join(folder, 'a', 'b'), [])).rejects.toThrow(/create it first/);
    await writeFile(join(folder, 'file'), '');
    await expect(writeFileAtomic(join(folder, 'file', 'b'), [])).rejects.toThrow(OutputError);
  });

  it('replaces the file behind a link, not the link', async () => {
    await writeFile(join(folder, 'real'), 'old');
    await symlink(join(folder, 'real'), join(folder, 'link'));
    await writeFileAtomic(join(folder, 'link'), [bytes(65)]);
    expect(await readFile(join(folder, 'real'), 'utf8')).toBe('A');
    expect((await readdir(folder)).sort()).toEqual(['link', 'real']);
  });
});

describe('writeFolderAtomic', () => {
  const fill =
    (text: string, name = 'a') =>
    async (inside: string) => {
      await writeFileAtomic(join(inside, name), [Buffer.from(text)]);
    };

  it('writes a folder, over an empty one and over an earlier result', async () => {
    const path = join(folder, 'out');
    for (const text of ['one', 'two']) {
      await writeFolderAtomic(path, fill(text));
      expect(await readFile(join(path, 'a'), 'utf8')).toBe(text);
      expect(await readdir(folder)).toEqual(['out']);
    }
    await rm(join(path, 'a'));
    await writeFolderAtomic(path, fill('three'));
    expect(await readdir(path)).toEqual(['a']);
  });

  it('never deletes files that it did not write', async () => {
    const path = join(folder, 'out');
    await writeFolderAtomic(path, fill('mine', 'precious'));
    await expect(writeFolderAtomic(path, fill('new'))).rejects.toThrow(/also holds "precious"/);
    expect(await readdir(path)).toEqual(['precious']);
    expect(await readdir(folder)).toEqual(['out']);
    await expect(writeFolderAtomic(join(path, 'precious'), fill('x'))).rejects.toThrow(OutputError);
    expect(await readFile(join(path, 'precious'), 'utf8')).toBe('mine');
  });

  it('leaves nothing behind after an error or an abort', async () => {
    const path = join(folder, 'out');
    const failing = async (inside: string) => {
      await fill('half')(inside);
      throw new RangeError('mine');
    };
    await expect(writeFolderAtomic(path, failing)).rejects.toThrow(RangeError);
    const signal = AbortSignal.abort();
    await expect(writeFolderAtomic(path, fill('x'), { signal })).rejects.toThrow(InterruptedError);
    await expect(writeFolderAtomic(join(folder, 'no', 'out'), fill('x'))).rejects.toThrow(
      OutputError,
    );
    expect(await readdir(folder)).toEqual([]);
  });
});
