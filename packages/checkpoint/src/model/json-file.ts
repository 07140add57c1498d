import { FileFormatError } from '@vq4dit/core';
import type { ByteSource } from '../io/byte-source.ts';
import { openFileSource } from '../io/file-source.ts';

/** Larger than any config; the index of a sharded model has about 100 bytes for each tensor. */
const MAX_JSON_BYTES = 16 * 1024 * 1024;

/** A JSON object as it comes out of a file: nothing about its values is known. */
export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * Reads a file that holds one JSON object.
 *
 * @throws InputError where it cannot be read
 * @throws FileFormatError where it is not JSON, not an object or far too large
 */
export async function readJsonObject(from: ByteSource | string): Promise<JsonObject> {
  const source = typeof from === 'string' ? await openFileSource(from) : from;
  try {
    if (source.size > MAX_JSON_BYTES) {
      throw new FileFormatError(
        `${source.name}: ${source.size} bytes of JSON; ${MAX_JSON_BYTES} are allowed.`,
      );
    }
    return parseJsonObject(await source.read(0, source.size), source.name);
  } finally {
    await source.close();
  }
}

function parseJsonObject(bytes: Uint8Array, file: string): JsonObject {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FileFormatError(`${file}: this is not JSON (${reason}).`);
  }
  if (!isJsonObject(value)) throw new FileFormatError(`${file}: expected a JSON object.`);
  return value;
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
