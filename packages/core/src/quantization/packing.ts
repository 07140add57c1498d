import { ArgumentError, FileFormatError, IndexError, ShapeError } from '../errors.ts';

/** Codes before packing; every value must be an integer below `2 ** width`. */
export type CodeArray = Uint8Array | Uint16Array | Uint32Array | Int32Array;

/** Bits of one code for a codebook of `k` codewords: the least width whose codes reach `k - 1`. */
export function codeWidth(k: number): number {
  if (!Number.isInteger(k) || k < 1 || k > 65536) {
    throw new ArgumentError(`A codebook must have 1 to 65536 codewords, not ${k}.`);
  }
  return Math.max(1, 32 - Math.clz32(k - 1));
}

/** Bytes of `count` codes of `width` bits each, packed. */
export function packedByteLength(count: number, width: number): number {
  checkWidth(width);
  if (!Number.isSafeInteger(count) || count < 0) {
    throw new ArgumentError(`The number of codes must be a non-negative integer, not ${count}.`);
  }
  return Math.ceil((count * width) / 8);
}

/**
 * Packs codes into one continuous stream of bits, without padding between codes.
 *
 * Bit order: bit b of code i is bit `i * width + b` of the stream, and bit s of the stream is bit
 * `s % 8` of byte `floor(s / 8)`, counting from the least significant. In other words: least
 * significant bit first, little-endian. Width 8 is therefore plain bytes and width 16 plain
 * little-endian 16-bit integers, on every platform. Unused bits of the last byte are zero.
 *
 * @param codes [count]
 * @param width 1 to 16
 * @returns [ceil(count * width / 8)] bytes
 * @throws ArgumentError for another width; IndexError, with position and value, for a code that is
 *   negative or needs more than `width` bits
 */
export function packCodes(codes: CodeArray, width: number): Uint8Array {
  const bytes = new Uint8Array(packedByteLength(codes.length, width));
  const end = 2 ** width;
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i] as number;
    if (code < 0 || code >= end) {
      throw new IndexError(
        `Code ${code} at position ${i} does not fit in ${width} bits (0 to ${end - 1}).`,
      );
    }
  }
  if (width === 8) {
    bytes.set(codes);
  } else if (width === 16) {
    for (let i = 0, at = 0; i < codes.length; i++) {
      const code = codes[i] as number;
      bytes[at++] = code;
      bytes[at++] = code >>> 8;
    }
  } else {
    let held = 0;
    let bits = 0;
    let at = 0;
    for (let i = 0; i < codes.length; i++) {
      held |= (codes[i] as number) << bits;
      bits += width;
      while (bits >= 8) {
        bytes[at++] = held;
        held >>>= 8;
        bits -= 8;
      }
    }
    if (bits > 0) bytes[at] = held;
  }
  return bytes;
}

/**
 * The inverse of {@link packCodes}.
 *
 * @param bytes [ceil(count * width / 8)]
 * @returns [count] codes
 * @throws ArgumentError for a width other than 1 to 16 or an illegal count; ShapeError when `bytes`
 *   has another length; FileFormatError when an unused bit of the last byte is set
 */
export function unpackCodes(bytes: Uint8Array, width: number, count: number): Uint16Array {
  const expected = packedByteLength(count, width);
  if (bytes.length !== expected) {
    throw new ShapeError(
      `${count} codes of ${width} bits take ${expected} bytes, but ${bytes.length} were given.`,
    );
  }
  const codes = new Uint16Array(count);
  if (width === 8) {
    codes.set(bytes);
  } else if (width === 16) {
    for (let i = 0; i < count; i++) {
      codes[i] = (bytes[2 * i] as number) | ((bytes[2 * i + 1] as number) << 8);
    }
  } else {
    const mask = 2 ** width - 1;
    let held = 0;
    let bits = 0;
    let at = 0;
    for (let i = 0; i < count; i++) {
      while (bits < width) {
        held |= (bytes[at++] as number) << bits;
        bits += 8;
      }
      codes[i] = held & mask;
      held >>>= width;
      bits -= width;
    }
    if (held !== 0) {
      throw new FileFormatError(
        `The ${bits} unused bits after ${count} codes of ${width} bits must be zero; the codes are damaged or were packed otherwise.`,
      );
    }
  }
  return codes;
}

function checkWidth(width: number): void {
  if (!Number.isInteger(width) || width < 1 || width > 16) {
    throw new ArgumentError(`The width of a code must be 1 to 16 bits, not ${width}.`);
  }
}
