import { readFile, stat } from 'node:fs/promises';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { FileFormatError, InputError, sizeOf } from '@vq4dit/core';

/** An array of bytes from an idx file, the format of MNIST and of what follows it. */
export interface IdxArray {
  /** One dimension for labels, three (images, rows, columns) for images. */
  readonly shape: readonly number[];
  /** Row-major. */
  readonly data: Uint8Array;
}

/** Larger than any set of small images; what claims to be more is no such set. */
const MAX_BYTES = 1 << 28;
const MAX_DIMENSIONS = 4;
const UNSIGNED_BYTE = 0x08;

/**
 * Reads an idx file, packed by gzip or not.
 *
 * @throws InputError where it cannot be read
 * @throws FileFormatError where it is no idx file of bytes, or is truncated, longer than it says, or
 *   larger than 256 MiB
 */
export async function readIdx(path: string): Promise<IdxArray> {
  return parseIdx(await unpack(await readBytes(path), path), path);
}

async function readBytes(path: string): Promise<Uint8Array> {
  try {
    const { size } = await stat(path);
    if (size > MAX_BYTES) {
      throw new FileFormatError(`${path}: ${size} bytes are more than the data set can have.`);
    }
    return await readFile(path);
  } catch (error) {
    if (error instanceof FileFormatError) throw error;
    const reason = error instanceof Error ? error.message : String(error);
    throw new InputError(`${path} cannot be read: ${reason}.`, { cause: error });
  }
}

/** A packed file that would unpack to more than the limit is refused before it does. */
async function unpack(bytes: Uint8Array, file: string): Promise<Uint8Array> {
  if (bytes[0] !== 0x1f || bytes[1] !== 0x8b) return bytes;
  try {
    return await promisify(gunzip)(bytes, { maxOutputLength: MAX_BYTES });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new FileFormatError(
      `${file}: it starts as a gzip file but does not unpack (${reason}); fetch it again.`,
      { cause: error },
    );
  }
}

/**
 * Reads an idx file from memory: two zero bytes, the element type, the number of dimensions, each
 * dimension as a big-endian 32-bit integer, then the elements.
 *
 * @param file what error messages call it
 * @throws FileFormatError
 */
export function parseIdx(bytes: Uint8Array, file: string): IdxArray {
  const fail = (problem: string) => new FileFormatError(`${file}: ${problem}.`);
  if (bytes.length < 4) {
    throw fail(`${bytes.length} bytes are too few for an idx file; it may be truncated`);
  }
  if (bytes[0] !== 0 || bytes[1] !== 0) {
    throw fail('it does not start with two zero bytes, so it is no idx file');
  }
  const [type, dimensions] = [bytes[2]!, bytes[3]!];
  if (type !== UNSIGNED_BYTE) {
    throw fail(`its elements are of type 0x${type.toString(16)}; only bytes (0x8) are read`);
  }
  if (dimensions < 1 || dimensions > MAX_DIMENSIONS) {
    throw fail(`it claims ${dimensions} dimensions; there must be 1 to ${MAX_DIMENSIONS}`);
  }
  const start = 4 + 4 * dimensions;
  if (bytes.length < start) throw fail('it ends within its header; it may be truncated');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shape = Array.from({ length: dimensions }, (_, i) => view.getUint32(4 + 4 * i));
  // A product of four 32-bit numbers is no safe integer, but a wrong one is never equal below.
  const count = sizeOf(shape);
  const given = bytes.length - start;
  if (count === 0) throw fail(`its shape [${shape.join(', ')}] has no elements`);
  if (given !== count) {
    const what = given < count ? 'it may be truncated' : 'it holds something else as well';
    throw fail(`shape [${shape.join(', ')}] needs ${count} bytes, but ${given} follow; ${what}`);
  }
  return { shape, data: bytes.subarray(start) };
}
