import { FileFormatError, InputError } from '@vq4dit/core';
import { type Entry, open, type ZipFile } from 'yauzl';
import {
  decodeNpyValues,
  MAX_NPY_HEADER,
  NPY_BYTES,
  type NpyArray,
  type NpyHeader,
  parseNpyHeader,
} from './npy.ts';

/** More arrays than any reference batch has. */
const MAX_ARRAYS = 1000;

/** An open .npz archive: named NumPy arrays, compressed or not. */
export interface NpzFile {
  /** What error messages call it. */
  readonly name: string;
  /** Names of the arrays, without `.npy`. */
  names(): readonly string[];
  /** @throws FileFormatError where there is no such array or its header cannot be read */
  header(array: string): Promise<NpyHeader>;
  /**
   * The elements' bytes from the first on, in pieces of any size; together as many as the shape
   * asks for.
   * @throws FileFormatError where the array is truncated or longer than its shape
   */
  bytes(array: string): AsyncGenerator<Uint8Array, void, undefined>;
  /** A whole array. @throws FileFormatError as `bytes` */
  read(array: string): Promise<NpyArray>;
  /** Closes the file; call it once. */
  close(): void;
}

/**
 * Opens a NumPy archive (.npz); only its table of contents is read.
 *
 * @throws InputError where there is no such file
 * @throws FileFormatError where it is no zip archive or is truncated
 */
export async function openNpz(path: string): Promise<NpzFile> {
  const zip = await guard(path, openZip(path));
  const entries = new Map<string, Entry>();
  try {
    for (const entry of await guard(path, listEntries(zip))) {
      if (entry.fileName.endsWith('.npy')) entries.set(entry.fileName.slice(0, -4), entry);
    }
  } catch (error) {
    zip.close();
    throw error;
  }
  const file: NpzFile = {
    name: path,
    names: () => [...entries.keys()],
    async header(array) {
      const pieces: Uint8Array[] = [];
      let size = 0;
      for await (const piece of stream(array)) {
        pieces.push(piece);
        size += piece.length;
        if (size >= MAX_NPY_HEADER) break;
      }
      return parseNpyHeader(Buffer.concat(pieces), where(array));
    },
    async *bytes(array) {
      const { dtype, shape, offset } = await file.header(array);
      const expected = shape.reduce((a, b) => a * b, NPY_BYTES[dtype]);
      let skip = offset;
      let seen = 0;
      for await (const piece of stream(array)) {
        const rest = piece.subarray(Math.min(skip, piece.length));
        skip -= piece.length - rest.length;
        seen += rest.length;
        if (seen > expected) break;
        if (rest.length > 0) yield rest;
      }
      if (seen !== expected) {
        throw new FileFormatError(
          `${where(array)}: its shape [${shape.join(', ')}] asks for ${expected} bytes, but there are ${seen > expected ? 'more' : seen}.`,
        );
      }
    },
    async read(array) {
      const { dtype, shape } = await file.header(array);
      const pieces: Uint8Array[] = [];
      for await (const piece of file.bytes(array)) pieces.push(piece);
      const values = decodeNpyValues(Buffer.concat(pieces), dtype, where(array));
      return { dtype, shape, values };
    },
    close: () => zip.close(),
  };
  return file;

  function where(array: string): string {
    return `${path}, array ${array}`;
  }

  async function* stream(array: string): AsyncGenerator<Uint8Array, void, undefined> {
    const entry = entries.get(array);
    if (!entry) {
      const known = [...entries.keys()].slice(0, 20).join(', ') || 'none';
      throw new FileFormatError(`${path}: there is no array ${array}; it holds: ${known}.`);
    }
    const readable = await guard(where(array), openStream(zip, entry));
    try {
      for await (const piece of readable) yield piece as Uint8Array;
    } catch (error) {
      throw damaged(where(array), error);
    } finally {
      readable.destroy();
    }
  }
}

function openZip(path: string): Promise<ZipFile> {
  return new Promise((resolve, reject) => {
    open(path, { lazyEntries: true, autoClose: false, strictFileNames: true }, (error, zip) =>
      error ? reject(error) : resolve(zip),
    );
  });
}

function listEntries(zip: ZipFile): Promise<Entry[]> {
  return new Promise((resolve, reject) => {
    const entries: Entry[] = [];
    zip.on('error', reject);
    zip.on('end', () => resolve(entries));
    zip.on('entry', (entry: Entry) => {
      entries.push(entry);
      if (entries.length > MAX_ARRAYS) {
        reject(new Error(`more than ${MAX_ARRAYS} arrays`));
      } else zip.readEntry();
    });
    zip.readEntry();
  });
}

function openStream(zip: ZipFile, entry: Entry): Promise<NodeJS.ReadableStream & Destroyable> {
  return new Promise((resolve, reject) => {
    zip.openReadStream(entry, (error, readable) => (error ? reject(error) : resolve(readable)));
  });
}

interface Destroyable {
  destroy(): void;
}

async function guard<T>(where: string, promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw damaged(where, error);
  }
}

function damaged(where: string, error: unknown): Error {
  if (error instanceof FileFormatError) return error;
  const code = (error as { code?: string }).code;
  if (code === 'ENOENT') return new InputError(`${where}: there is no such file; check the path.`);
  if (code === 'EACCES') return new InputError(`${where}: reading it is not permitted.`);
  if (code === 'EISDIR')
    return new InputError(`${where}: this is a folder, a .npz file is needed.`);
  const reason = error instanceof Error ? error.message : String(error);
  return new FileFormatError(
    `${where}: this is not a readable NumPy archive (${reason}); it may be truncated.`,
    { cause: error },
  );
}
