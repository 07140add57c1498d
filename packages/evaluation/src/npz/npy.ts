import { FileFormatError } from '@vq4dit/core';

/** Element types of the arrays that reference batches hold. */
export type NpyDType = 'uint8' | 'int64' | 'float32' | 'float64';

/** An array as NumPy stores it, in row-major order. */
export interface NpyArray {
  readonly dtype: NpyDType;
  readonly shape: readonly number[];
  /** int64 values are read as numbers and must be safe integers. */
  readonly values: Uint8Array | Float32Array | Float64Array;
}

/** What stands before the elements. */
export interface NpyHeader {
  readonly dtype: NpyDType;
  readonly shape: readonly number[];
  /** Where the elements begin. */
  readonly offset: number;
}

const MAGIC = [0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59]; // \x93NUMPY
const DTYPES: Readonly<Record<string, NpyDType>> = {
  '|u1': 'uint8',
  '<i8': 'int64',
  '<f4': 'float32',
  '<f8': 'float64',
};
/** Bytes of one element. */
export const NPY_BYTES: Readonly<Record<NpyDType, number>> = {
  uint8: 1,
  int64: 8,
  float32: 4,
  float64: 8,
};

/** The most bytes that a header may need; NumPy's own are a tenth of it. */
export const MAX_NPY_HEADER = 1 << 16;

/**
 * Reads the header of an .npy file (format versions 1 to 3, little-endian, C order).
 *
 * @param bytes the file's beginning, {@link MAX_NPY_HEADER} bytes or all of it
 * @throws FileFormatError for anything else
 */
export function parseNpyHeader(bytes: Uint8Array, where: string): NpyHeader {
  const fail = (problem: string): never => {
    throw new FileFormatError(`${where}: ${problem}.`);
  };
  if (bytes.length < 10 || MAGIC.some((byte, i) => bytes[i] !== byte)) {
    fail('this is not a NumPy array (.npy)');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const version = bytes[6]!;
  if (version < 1 || version > 3) fail(`version ${version} of the .npy format is unknown`);
  const start = version === 1 ? 10 : 12;
  if (bytes.length < start) fail('the array is cut off inside its header');
  const length = version === 1 ? view.getUint16(8, true) : view.getUint32(8, true);
  const offset = start + length;
  if (offset > bytes.length) fail(`its header of ${length} bytes is cut off or too long`);
  const text = new TextDecoder().decode(bytes.subarray(start, offset));
  const descr = /'descr'\s*:\s*'([^']*)'/.exec(text)?.[1];
  const dtype = descr === undefined ? undefined : DTYPES[descr];
  if (!dtype) {
    return fail(
      `elements of type ${descr ?? 'unknown'} cannot be read, only ${Object.keys(DTYPES).join(', ')}`,
    );
  }
  if (!/'fortran_order'\s*:\s*False/.test(text))
    fail('only row-major (C order) arrays can be read');
  const dims = /'shape'\s*:\s*\(([\d,\s]*)\)/.exec(text)?.[1];
  if (dims === undefined) return fail('its header names no shape');
  const shape = dims
    .split(',')
    .map((dim) => dim.trim())
    .filter((dim) => dim !== '')
    .map(Number);
  if (!Number.isSafeInteger(shape.reduce((a, b) => a * b, NPY_BYTES[dtype]))) {
    fail(`its shape (${dims}) is too large`);
  }
  return { dtype, shape, offset };
}

/**
 * Elements from their bytes.
 *
 * @throws FileFormatError where an int64 is not a safe integer
 */
export function decodeNpyValues(
  bytes: Uint8Array,
  dtype: NpyDType,
  where: string,
): NpyArray['values'] {
  if (dtype === 'uint8') return bytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const count = bytes.byteLength / NPY_BYTES[dtype];
  if (dtype === 'float32') {
    return Float32Array.from({ length: count }, (_, i) => view.getFloat32(4 * i, true));
  }
  if (dtype === 'float64') {
    return Float64Array.from({ length: count }, (_, i) => view.getFloat64(8 * i, true));
  }
  return Float64Array.from({ length: count }, (_, i) => {
    const value = Number(view.getBigInt64(8 * i, true));
    if (!Number.isSafeInteger(value)) {
      throw new FileFormatError(`${where}: element ${i} is too large to be a label.`);
    }
    return value;
  });
}
