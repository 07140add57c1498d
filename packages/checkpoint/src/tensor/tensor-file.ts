import { IndexError } from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import { decodeFloat32, decodeInt32 } from './decode.ts';
import { countElements, type StorageDType } from './storage-dtype.ts';

/** What a file says about one tensor. */
export interface TensorEntry {
  readonly name: string;
  readonly dtype: StorageDType;
  readonly shape: readonly number[];
  /** Bytes of all elements: number of elements times size of the dtype. */
  readonly byteLength: number;
}

/** One tensor as it is stored: row-major elements, little-endian, in a buffer of their own. */
export interface RawTensor {
  readonly dtype: StorageDType;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/**
 * Named tensors of one file, whatever its format. Nothing is read before it is asked for, and a
 * range of a tensor can be read alone, so a file may be larger than the memory.
 */
export interface TensorFile {
  /** What error messages call it; for a file, its path. */
  readonly name: string;
  /** Strings that the file carries beside its tensors; empty where the format has none. */
  readonly metadata: Readonly<Record<string, string>>;
  /** Names in the order of the file. */
  names(): string[];
  /** Whether the file has a tensor of that name. */
  has(name: string): boolean;
  /** @throws ModelError where there is no tensor of that name */
  entry(name: string): TensorEntry;
  /** The stored elements of one tensor. */
  read(name: string): Promise<RawTensor>;
  /**
   * All elements, row-major, as float32.
   * @throws DTypeError where the tensor does not hold floating-point numbers
   */
  readFloat32(name: string): Promise<Float32Array>;
  /**
   * `count` elements from element `start`, row-major, as float32; reads only what it needs.
   * @throws IndexError where the range does not lie inside the tensor
   */
  readFloat32Range(name: string, start: number, count: number): Promise<Float32Array>;
  /**
   * All elements of an integer or boolean tensor as int32.
   * @throws IndexError where a value does not fit
   */
  readInt32(name: string): Promise<Int32Array>;
  /** Closes the file; reads after that fail. */
  close(): Promise<void>;
}

/** The typed reads of a {@link TensorFile}, made from its raw ones. */
export function typedReads(
  file: Pick<TensorFile, 'name' | 'entry'>,
  /** Little-endian bytes of `count` elements from element `start`; the range is legal. */
  readElements: (name: string, start: number, count: number) => Promise<Uint8Array>,
): Pick<TensorFile, 'read' | 'readFloat32' | 'readFloat32Range' | 'readInt32'> {
  const label = (name: string) => `${file.name}: tensor ${quote(name)}`;
  const readAll = (name: string) => readElements(name, 0, elementsOf(file.entry(name)));
  return {
    async read(name) {
      const { dtype, shape } = file.entry(name);
      return { dtype, shape, data: await readAll(name) };
    },
    async readFloat32(name) {
      const { dtype } = file.entry(name);
      requireFloat(dtype, label(name));
      return decodeFloat32(await readAll(name), dtype, label(name));
    },
    async readFloat32Range(name, start, count) {
      const entry = file.entry(name);
      requireFloat(entry.dtype, label(name));
      const elements = elementsOf(entry);
      const integers = Number.isSafeInteger(start) && Number.isSafeInteger(count);
      if (!integers || start < 0 || count < 0 || count > elements - start) {
        throw new IndexError(
          `${label(name)} has ${elements} elements; ${count} elements from element ${start} are not inside.`,
        );
      }
      return decodeFloat32(await readElements(name, start, count), entry.dtype, label(name));
    },
    async readInt32(name) {
      const { dtype } = file.entry(name);
      return decodeInt32(await readAll(name), dtype, label(name));
    },
  };
}

/** Asked before the bytes are read, so that a wrong dtype costs nothing. */
function requireFloat(dtype: StorageDType, what: string): void {
  decodeFloat32(new Uint8Array(0), dtype, what);
}

/** Number of elements of an entry whose shape has been checked. */
export function elementsOf(entry: TensorEntry): number {
  return countElements(entry.shape) ?? 0;
}
