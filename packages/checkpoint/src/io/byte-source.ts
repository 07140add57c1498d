import { FileFormatError } from '@vq4dit/core';

/** Random access to the bytes of one file. Reads may overlap in time. */
export interface ByteSource {
  /** What error messages call it; for a file, its path. */
  readonly name: string;
  /** Bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`, in a buffer of their own.
   *
   * @throws FileFormatError where the range does not lie inside the source
   * @throws InputError where the bytes cannot be read or do not fit into memory
   */
  read(offset: number, length: number): Promise<Uint8Array>;
  /** Releases the file; reads after that fail. */
  close(): Promise<void>;
}

/** Checked before a buffer is allocated, so that no file makes us allocate more than it holds. */
export function checkRange(source: ByteSource, offset: number, length: number): void {
  const legal =
    Number.isSafeInteger(offset) &&
    Number.isSafeInteger(length) &&
    offset >= 0 &&
    length >= 0 &&
    length <= source.size - offset;
  if (!legal) {
    throw new FileFormatError(
      `${source.name}: ${length} bytes are expected at offset ${offset}, but the file has ${source.size} bytes; it may be truncated.`,
    );
  }
}

/** A source over bytes that are already in memory. The bytes must not change while it is in use. */
export function memorySource(bytes: Uint8Array, name = 'memory'): ByteSource {
  const source: ByteSource = {
    name,
    size: bytes.byteLength,
    async read(offset, length) {
      checkRange(source, offset, length);
      return Uint8Array.prototype.slice.call(bytes, offset, offset + length);
    },
    async close() {},
  };
  return source;
}
