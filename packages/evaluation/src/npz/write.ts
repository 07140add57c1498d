import { Readable } from 'node:stream';
import { writeFileAtomic } from '@vq4dit/checkpoint';
import { ArgumentError } from '@vq4dit/core';
import { ZipFile } from 'yazl';
import { encodeNpyHeader } from './encode.ts';
import { NPY_BYTES, type NpyDType } from './npy.ts';

/** One array to write; its elements may come in pieces and are never in memory together. */
export interface NpzEntry {
  /** Name without `.npy`. */
  readonly name: string;
  readonly dtype: NpyDType;
  readonly shape: readonly number[];
  /** Little-endian elements, row-major; together as many as the shape asks for. */
  data(): Iterable<Uint8Array> | AsyncIterable<Uint8Array>;
}

/** All archives carry this date, so that equal arrays give equal bytes. */
const DATE = new Date(1980, 0, 1);

/**
 * Writes a NumPy archive (.npz) without compression, as `numpy.savez` does; the file is complete or
 * not there. Archives beyond 4 GiB are written as NumPy reads them (zip64).
 *
 * @throws ArgumentError where an array gives more or fewer bytes than its shape asks for
 * @throws OutputError where the file cannot be written
 * @throws InterruptedError where the signal is aborted
 */
export async function writeNpz(
  path: string,
  entries: readonly NpzEntry[],
  options: { readonly signal?: AbortSignal } = {},
): Promise<void> {
  await writeFileAtomic(path, archive(path, entries), options);
}

/** The bytes of the archive, which is begun when the first of them is asked for. */
async function* archive(
  path: string,
  entries: readonly NpzEntry[],
): AsyncGenerator<Uint8Array, void, undefined> {
  const zip = new ZipFile();
  const pieces = zip.outputStream as unknown as Readable;
  // An array that fails would leave the archive's stream waiting for ever.
  const fail = (error: Error) => void pieces.destroy(error);
  zip.on('error', fail);
  for (const entry of entries) {
    const size = entry.shape.reduce((a, b) => a * b, NPY_BYTES[entry.dtype]);
    const header = encodeNpyHeader(entry.dtype, entry.shape);
    zip.addReadStreamLazy(
      `${entry.name}.npy`,
      { compress: false, mtime: DATE, size: header.length + size },
      (done) => {
        const data = Readable.from(checked(path, entry, header, size), { objectMode: false });
        done(null, data.on('error', fail));
      },
    );
  }
  zip.end();
  for await (const piece of pieces) yield piece as Uint8Array;
}

async function* checked(
  path: string,
  { name, data }: NpzEntry,
  header: Uint8Array,
  size: number,
): AsyncGenerator<Uint8Array, void, undefined> {
  yield header;
  let seen = 0;
  for await (const piece of data()) {
    seen += piece.length;
    if (seen > size) break;
    yield piece;
  }
  if (seen !== size) {
    throw new ArgumentError(
      `${path}: array ${name} has ${seen > size ? 'more than' : `${seen} instead of`} ${size} bytes.`,
    );
  }
}
