import { FileFormatError, VqError } from '@vq4dit/core';
import { type Entry, fromRandomAccessReader, RandomAccessReader, type ZipFile } from 'yauzl';
import type { ByteSource } from '../io/byte-source.ts';
import { quote } from '../io/describe.ts';

/** More records than any model has tensors; bounds the memory for the table of contents. */
const MAX_RECORDS = 100_000;

/** The records of a zip archive in which nothing is compressed; each is a range of the file. */
export interface StoredArchive {
  names(): string[];
  /** Size in bytes, or undefined where there is no such record. */
  sizeOf(name: string): number | undefined;
  /** A range of a record; the range must lie inside it. */
  read(name: string, offset: number, length: number): Promise<Uint8Array>;
}

/**
 * Reads the table of contents of a zip archive. PyTorch stores its records uncompressed; an
 * archive that compresses, encrypts or overlaps records is refused, which leaves a zip bomb
 * nothing to unfold: no record is larger than its range of the file.
 *
 * @throws FileFormatError for an archive that is malformed or breaks these rules
 */
export async function openStoredArchive(source: ByteSource): Promise<StoredArchive> {
  const reader = new SourceReader(source);
  const zip = await reader.guard<ZipFile>((done) =>
    fromRandomAccessReader(
      reader,
      source.size,
      { lazyEntries: true, autoClose: false, strictFileNames: true },
      done,
    ),
  );
  const records = await listRecords(source, reader, zip);
  return {
    names: () => [...records.keys()],
    sizeOf: (name) => records.get(name)?.uncompressedSize,
    async read(name, offset, length) {
      const record = records.get(name);
      const size = record?.uncompressedSize ?? 0;
      if (record === undefined || length > size - offset) {
        throw new FileFormatError(
          `${source.name}: record ${quote(name)} has ${size} bytes; ${length} bytes at offset ${offset} are expected.`,
        );
      }
      const header = await reader.guard<{ fileDataStart: number }>((done) =>
        zip.readLocalFileHeader(record, { minimal: true }, done),
      );
      return source.read(header.fileDataStart + offset, length);
    },
  };
}

async function listRecords(
  source: ByteSource,
  reader: SourceReader,
  zip: ZipFile,
): Promise<Map<string, Entry>> {
  const refuse = (problem: string): never => {
    throw new FileFormatError(`${source.name}: ${problem}.`);
  };
  const records = new Map<string, Entry>();
  let bytes = 0;
  if (zip.entryCount > MAX_RECORDS) {
    refuse(`the archive claims ${zip.entryCount} records; ${MAX_RECORDS} are allowed`);
  }
  while (records.size < zip.entryCount) {
    const entry = await reader.guard<Entry>((done) => {
      zip.removeAllListeners();
      zip.once('error', done);
      zip.once('entry', (next: Entry) => done(null, next));
      zip.readEntry();
    });
    const name = quote(entry.fileName);
    if (entry.compressionMethod !== 0) {
      refuse(
        `record ${name} is compressed, which torch.save never does; save the state dict again`,
      );
    }
    if ((entry.generalPurposeBitFlag & 1) !== 0) refuse(`record ${name} is encrypted`);
    if (records.has(entry.fileName)) refuse(`record ${name} is there twice`);
    bytes += entry.uncompressedSize;
    if (bytes > source.size) {
      refuse(`the records up to ${name} claim ${bytes} bytes, but the file has ${source.size}`);
    }
    records.set(entry.fileName, entry);
  }
  return records;
}

/** Lets yauzl read from a {@link ByteSource}. */
class SourceReader extends RandomAccessReader {
  readonly #source: ByteSource;
  readonly #pending = new Set<(error: unknown) => void>();

  constructor(source: ByteSource) {
    super();
    this.#source = source;
  }

  /** Runs one call of yauzl; whatever goes wrong in it becomes the rejection of the promise. */
  async guard<T>(call: (done: (error: Error | null, value: T) => void) => void): Promise<T> {
    let reject: (error: unknown) => void = () => undefined;
    try {
      return await new Promise<T>((resolve, rejectPromise) => {
        reject = rejectPromise;
        this.#pending.add(reject);
        call((error, value) => (error ? reject(error) : resolve(value)));
      });
    } catch (error) {
      if (error instanceof VqError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      throw new FileFormatError(
        `${this.#source.name}: this is not a readable PyTorch archive (${quote(reason)}); it may be truncated.`,
        { cause: error },
      );
    } finally {
      this.#pending.delete(reject);
    }
  }

  override read(
    buffer: Buffer,
    offset: number,
    length: number,
    position: number,
    callback: (error: Error | null, bytesRead?: number) => void,
  ): void {
    this.#source
      .read(position, length)
      .then(
        (bytes) => {
          buffer.set(bytes, offset);
          callback(null, length);
        },
        (error: Error) => callback(error),
      )
      // Nothing that yauzl throws in a callback may escape as an unhandled rejection.
      .catch((error: unknown) => {
        for (const reject of this.#pending) reject(error);
      });
  }

  override close(callback: (error: Error | null) => void): void {
    callback(null);
  }
}
