import { FileFormatError } from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import {
  countElements,
  isStorageDType,
  MAX_AXES,
  STORAGE_DTYPE_BYTES,
} from '../tensor/storage-dtype.ts';
import type { TensorEntry } from '../tensor/tensor-file.ts';
import { JsonCursor } from './json-cursor.ts';

/** Longest header that the format allows, in bytes. */
export const MAX_HEADER_BYTES = 100_000_000;

/** One tensor of a safetensors file. */
export interface SafetensorsEntry extends TensorEntry {
  /** First byte of the tensor, counted from the start of the file. */
  readonly offset: number;
}

/** The parsed header; entries in the order of their bytes. */
export interface SafetensorsHeader {
  readonly entries: readonly SafetensorsEntry[];
  readonly metadata: Readonly<Record<string, string>>;
}

/**
 * Parses and checks the JSON header of a safetensors file.
 *
 * @param json the header's bytes, without the eight bytes of its length
 * @param dataStart offset in the file at which the tensors begin
 * @param fileSize size of the whole file in bytes
 * @param file name for error messages
 * @throws FileFormatError on every violation of the format
 */
export function parseHeader(
  json: Uint8Array,
  dataStart: number,
  fileSize: number,
  file: string,
): SafetensorsHeader {
  if (json[0] !== 0x7b) throw new FileFormatError(`${file}: the header does not begin with "{".`);
  const cursor = new JsonCursor(decodeUtf8(json, file), `${file}: the header`);
  const entries: SafetensorsEntry[] = [];
  let metadata: Record<string, string> = Object.create(null);
  cursor.readObject((key) => {
    if (key === '__metadata__') metadata = readMetadata(cursor);
    else entries.push(readEntry(cursor, key, dataStart, file));
  });
  cursor.end();
  entries.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkLayout(entries, dataStart, fileSize, file);
  return { entries, metadata };
}

function decodeUtf8(bytes: Uint8Array, file: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    throw new FileFormatError(`${file}: the header is not valid UTF-8.`);
  }
}

function readMetadata(cursor: JsonCursor): Record<string, string> {
  // Without a prototype, a key such as "__proto__" is a key like any other.
  const metadata: Record<string, string> = Object.create(null);
  cursor.readObject((key) => {
    metadata[key] = cursor.readString();
  });
  return metadata;
}

function readEntry(
  cursor: JsonCursor,
  name: string,
  dataStart: number,
  file: string,
): SafetensorsEntry {
  let dtype: string | undefined;
  let shape: number[] | undefined;
  let range: number[] | undefined;
  cursor.readObject((key) => {
    if (key === 'dtype') dtype = cursor.readString();
    else if (key === 'shape') shape = cursor.readIntegers(MAX_AXES);
    else if (key === 'data_offsets') range = cursor.readIntegers(2);
    else cursor.fail(`has the unknown field ${quote(key)} in tensor ${quote(name)}`);
  });
  const fail = (problem: string): never => {
    throw new FileFormatError(`${file}: tensor ${quote(name)} ${problem}.`);
  };
  if (dtype === undefined) return fail('has no dtype');
  if (shape === undefined) return fail('has no shape');
  if (range === undefined) return fail('has no data_offsets');
  const [begin, end] = range;
  if (begin === undefined || end === undefined) return fail('needs two data_offsets');
  if (begin > end) return fail(`ends (${end}) before it begins (${begin})`);
  if (!isStorageDType(dtype)) return fail(`has the unknown dtype ${quote(dtype)}`);
  const elements = countElements(shape);
  if (elements === undefined) return fail(`has the impossible shape [${shape}]`);
  const needed = elements * STORAGE_DTYPE_BYTES[dtype];
  if (needed !== end - begin) {
    return fail(`takes ${end - begin} bytes, but ${dtype} [${shape}] needs ${needed}`);
  }
  const offset = dataStart + begin;
  return { name, dtype, shape, offset, byteLength: needed };
}

/** Tensors must follow each other without a hole or an overlap, up to the end of the file. */
function checkLayout(
  entries: readonly SafetensorsEntry[],
  dataStart: number,
  fileSize: number,
  file: string,
): void {
  let expected = dataStart;
  for (const { name, offset, byteLength } of entries) {
    const end = offset + byteLength;
    if (end > fileSize) {
      throw new FileFormatError(
        `${file}: tensor ${quote(name)} ends at byte ${end}, but the file has ${fileSize}; it may be truncated.`,
      );
    }
    if (offset !== expected) {
      const problem = offset < expected ? 'overlaps the tensor before it' : 'follows a hole';
      throw new FileFormatError(
        `${file}: tensor ${quote(name)} ${problem} (it begins at byte ${offset}, expected ${expected}).`,
      );
    }
    expected = end;
  }
  if (expected !== fileSize) {
    throw new FileFormatError(
      `${file}: ${fileSize - expected} bytes after the last tensor belong to none.`,
    );
  }
}
