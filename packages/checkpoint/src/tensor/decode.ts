import { DTypeError, IndexError } from '@vq4dit/core';
import { decodeBFloat16 } from '../half/bfloat16.ts';
import { decodeFloat16 } from '../half/float16.ts';
import { HOST_IS_LITTLE_ENDIAN, swapBytes } from '../io/endian.ts';
import { STORAGE_DTYPE_BYTES, type StorageDType } from './storage-dtype.ts';

/** The typed arrays that hold the elements of tensors. */
export type ElementArray =
  | Float64Array
  | Float32Array
  | Int32Array
  | Uint32Array
  | Int16Array
  | Uint16Array
  | Int8Array
  | Uint8Array
  | BigInt64Array
  | BigUint64Array;

/**
 * Little-endian elements as a typed array, on the same memory where that is possible. F16 and BF16
 * come as their bit patterns (Uint16Array), BOOL as bytes 0 and 1. Takes the bytes over: on a
 * big-endian machine they are swapped in place.
 */
export function typedArray(bytes: Uint8Array, dtype: StorageDType): ElementArray {
  const size = STORAGE_DTYPE_BYTES[dtype];
  const own = bytes.byteOffset % size === 0 ? bytes : bytes.slice();
  if (!HOST_IS_LITTLE_ENDIAN) swapBytes(own, size);
  const at = [own.buffer, own.byteOffset, own.byteLength / size] as const;
  switch (dtype) {
    case 'F64':
      return new Float64Array(...at);
    case 'F32':
      return new Float32Array(...at);
    case 'F16':
    case 'BF16':
    case 'U16':
      return new Uint16Array(...at);
    case 'I16':
      return new Int16Array(...at);
    case 'I32':
      return new Int32Array(...at);
    case 'U32':
      return new Uint32Array(...at);
    case 'I64':
      return new BigInt64Array(...at);
    case 'U64':
      return new BigUint64Array(...at);
    case 'I8':
      return new Int8Array(...at);
    case 'U8':
    case 'BOOL':
      return new Uint8Array(...at);
  }
}

/**
 * Little-endian F64, F32, F16 or BF16 elements as float32; F64 is rounded to nearest.
 *
 * @throws DTypeError for a dtype that is not a floating-point one; `what` names the tensor
 */
export function decodeFloat32(bytes: Uint8Array, dtype: StorageDType, what: string): Float32Array {
  const array = typedArray(bytes, dtype);
  if (array instanceof Float32Array) return array;
  if (array instanceof Float64Array) return Float32Array.from(array);
  if (array instanceof Uint16Array && dtype === 'F16') return decodeFloat16(array);
  if (array instanceof Uint16Array && dtype === 'BF16') return decodeBFloat16(array);
  throw new DTypeError(`${what} holds ${dtype}, not floating-point numbers.`);
}

/**
 * Little-endian integers or booleans of any size as int32.
 *
 * @throws DTypeError for a floating-point dtype; `what` names the tensor
 * @throws IndexError where a value does not fit into 32 bits
 */
export function decodeInt32(bytes: Uint8Array, dtype: StorageDType, what: string): Int32Array {
  if (dtype === 'F64' || dtype === 'F32' || dtype === 'F16' || dtype === 'BF16') {
    throw new DTypeError(`${what} holds ${dtype}, not integers.`);
  }
  const array = typedArray(bytes, dtype);
  if (array instanceof Int32Array) return array;
  const out = new Int32Array(array.length);
  for (let i = 0; i < out.length; i++) {
    const value = Number(array[i]);
    out[i] = value;
    if (out[i] !== value) {
      throw new IndexError(`${what}: element ${i} is ${array[i]}, which does not fit into int32.`);
    }
  }
  return out;
}

/** The elements of a typed array as little-endian bytes, on the same memory where possible. */
export function littleEndianBytes(array: ElementArray): Uint8Array {
  const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
  return HOST_IS_LITTLE_ENDIAN ? bytes : swapBytes(bytes.slice(), array.BYTES_PER_ELEMENT);
}
