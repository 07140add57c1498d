import { FileFormatError, ModelError } from '@vq4dit/core';
import type { ByteSource } from '../io/byte-source.ts';
import { quote } from '../io/describe.ts';
import { openFileSource } from '../io/file-source.ts';
import { STORAGE_DTYPE_BYTES } from '../tensor/storage-dtype.ts';
import { type TensorFile, typedReads } from '../tensor/tensor-file.ts';
import { MAX_HEADER_BYTES, parseHeader, type SafetensorsEntry } from './header.ts';

/** An open safetensors file. */
export interface SafetensorsFile extends TensorFile {
  /** All entries in the order of their bytes. */
  readonly entries: readonly SafetensorsEntry[];
  entry(name: string): SafetensorsEntry;
}

/**
 * Opens a safetensors file and checks its header completely; tensors are read on demand.
 * The source is closed with the file, and when opening fails.
 *
 * @throws FileFormatError on every violation of the format, with file and tensor
 * @throws InputError where the file cannot be read
 */
export async function openSafetensors(from: ByteSource | string): Promise<SafetensorsFile> {
  const source = typeof from === 'string' ? await openFileSource(from) : from;
  try {
    return await readHeader(source);
  } catch (error) {
    await source.close();
    throw error;
  }
}

async function readHeader(source: ByteSource): Promise<SafetensorsFile> {
  const file = source.name;
  if (source.size < 8) {
    throw new FileFormatError(
      `${file}: ${source.size} bytes are too few for a safetensors file; it may be truncated.`,
    );
  }
  const length = new DataView((await source.read(0, 8)).buffer).getBigUint64(0, true);
  if (length > MAX_HEADER_BYTES) {
    throw new FileFormatError(
      `${file}: a header of ${length} bytes is more than the ${MAX_HEADER_BYTES} that safetensors allows; this may be another kind of file.`,
    );
  }
  if (length > source.size - 8) {
    throw new FileFormatError(
      `${file}: the header takes ${length} bytes, but only ${source.size - 8} follow; the file may be truncated.`,
    );
  }
  const dataStart = 8 + Number(length);
  const json = await source.read(8, Number(length));
  const { entries, metadata } = parseHeader(json, dataStart, source.size, file);
  return view(source, entries, metadata);
}

function view(
  source: ByteSource,
  entries: readonly SafetensorsEntry[],
  metadata: Readonly<Record<string, string>>,
): SafetensorsFile {
  const byName = new Map(entries.map((entry) => [entry.name, entry]));
  const entry = (name: string): SafetensorsEntry => {
    const found = byName.get(name);
    if (found === undefined) throw new ModelError(`${source.name}: no tensor ${quote(name)}.`);
    return found;
  };
  const reads = typedReads({ name: source.name, entry }, (name, start, count) => {
    const { dtype, offset } = entry(name);
    const size = STORAGE_DTYPE_BYTES[dtype];
    return source.read(offset + start * size, count * size);
  });
  return {
    name: source.name,
    metadata,
    entries,
    entry,
    names: () => entries.map(({ name }) => name),
    has: (name) => byName.has(name),
    ...reads,
    close: () => source.close(),
  };
}
