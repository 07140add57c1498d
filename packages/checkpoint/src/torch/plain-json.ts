import { FileFormatError } from '@vq4dit/core';
import {
  PickleGlobal,
  PickleRecord,
  PickleTuple,
  type PickleValue,
  TorchStorage,
  TorchTensor,
} from './pickle-value.ts';

/** Plain data, as JSON has it. */
export type JsonValue =
  | null
  | boolean
  | number
  | string
  | readonly JsonValue[]
  | { readonly [key: string]: JsonValue };

const MAX_DEPTH = 100;
/** A value may be shared many times over; written out, a small pickle could become endless. */
const MAX_VALUES = 100_000;

/**
 * Writes a value out of a pickle as plain data. Tuples and sets become lists, named records and
 * dicts become objects; what JSON has no form for becomes a string: large integers, infinities,
 * NaN, and a short description of tensors, bytes and classes.
 *
 * @param what begins error messages
 * @throws FileFormatError for values that contain themselves, or are too deep or too many
 */
export function toPlainJson(value: PickleValue, what: string): JsonValue {
  let left = MAX_VALUES;
  const convert = (item: PickleValue, depth: number): JsonValue => {
    if (depth > MAX_DEPTH || --left < 0) {
      throw new FileFormatError(
        `${what} is nested deeper than ${MAX_DEPTH} levels or has more than ${MAX_VALUES} values.`,
      );
    }
    const list = (items: Iterable<PickleValue>) =>
      Array.from(items, (inner) => convert(inner, depth + 1));
    if (item === null || typeof item === 'boolean' || typeof item === 'string') return item;
    if (typeof item === 'number') return Number.isFinite(item) ? item : String(item);
    if (typeof item === 'bigint') return item.toString();
    if (item instanceof PickleTuple) return list(item.items);
    if (Array.isArray(item) || item instanceof Set) return list(item);
    if (item instanceof PickleRecord) return convert(item.fields ?? new Map(), depth);
    if (item instanceof Map) {
      const object: Record<string, JsonValue> = Object.create(null);
      for (const [key, inner] of item) object[keyText(key)] = convert(inner, depth + 1);
      return object;
    }
    return describe(item);
  };
  return convert(value, 0);
}

function keyText(key: PickleValue): string {
  return typeof key === 'object' && key !== null ? '(object)' : String(key);
}

function describe(item: Uint8Array | PickleGlobal | TorchStorage | TorchTensor): string {
  if (item instanceof PickleGlobal) return item.name;
  if (item instanceof TorchTensor) return `tensor ${item.storage.dtype} [${item.shape}]`;
  if (item instanceof TorchStorage) return `storage ${item.dtype} [${item.elements}]`;
  return `${item.byteLength} bytes`;
}
