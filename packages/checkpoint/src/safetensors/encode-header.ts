import { ArgumentError } from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import {
  countElements,
  isStorageDType,
  STORAGE_DTYPE_BYTES,
  type StorageDType,
} from '../tensor/storage-dtype.ts';
import { MAX_HEADER_BYTES } from './header.ts';

/** What the header says about one tensor. */
export interface TensorDeclaration {
  readonly name: string;
  readonly dtype: StorageDType;
  readonly shape: readonly number[];
}

/** Tensors are placed by this order, last first: that of the format's own implementation. */
const DTYPE_ORDER: readonly StorageDType[] = [
  'BOOL',
  'U8',
  'I8',
  'I16',
  'U16',
  'F16',
  'BF16',
  'I32',
  'U32',
  'F32',
  'F64',
  'I64',
  'U64',
];

/** Sorts tensors as the format's own implementation does: wide dtypes first, then by name. */
export function inFileOrder<T extends TensorDeclaration>(tensors: readonly T[]): T[] {
  return tensors
    .map((tensor) => ({ tensor, key: Buffer.from(tensor.name, 'utf8') }))
    .sort(
      (a, b) =>
        DTYPE_ORDER.indexOf(b.tensor.dtype) - DTYPE_ORDER.indexOf(a.tensor.dtype) ||
        Buffer.compare(a.key, b.key),
    )
    .map(({ tensor }) => tensor);
}

/**
 * The header for tensors that follow each other in this order: eight bytes of length, then JSON,
 * padded with spaces to a multiple of eight bytes, so that the tensors begin aligned.
 *
 * @throws ArgumentError for illegal names, shapes or dtypes
 */
export function encodeHeader(
  ordered: readonly TensorDeclaration[],
  metadata: Readonly<Record<string, string>>,
): Uint8Array {
  const members: string[] = [];
  const notes = Object.entries(metadata).sort(([a], [b]) => (a < b ? -1 : 1));
  if (notes.length > 0) {
    const strings = notes.map(([key, value]) => `${jsonString(key)}:${jsonString(value)}`);
    members.push(`"__metadata__":{${strings.join(',')}}`);
  }
  const taken = new Set(['__metadata__']);
  let at = 0;
  for (const tensor of ordered) {
    const { name, dtype, shape } = tensor;
    if (taken.has(name)) {
      throw new ArgumentError(`The tensor name ${quote(name)} is already taken.`);
    }
    taken.add(name);
    const end = at + declaredBytes(tensor);
    const key = jsonString(name);
    members.push(`${key}:{"dtype":"${dtype}","shape":[${shape}],"data_offsets":[${at},${end}]}`);
    at = end;
  }
  return withLength(Buffer.from(`{${members.join(',')}}`, 'utf8'));
}

/** Bytes that a tensor of this dtype and shape takes. */
export function declaredBytes({ name, dtype, shape }: TensorDeclaration): number {
  const elements = countElements(shape);
  if (!isStorageDType(dtype) || elements === undefined) {
    throw new ArgumentError(
      `Tensor ${quote(name)} cannot be written as ${dtype} [${shape}]: the dtype or the shape is not a legal one.`,
    );
  }
  return elements * STORAGE_DTYPE_BYTES[dtype];
}

function jsonString(text: string): string {
  // JSON would write half a surrogate pair as an escape that readers refuse.
  if (typeof text !== 'string' || /\p{Surrogate}/u.test(text)) {
    throw new ArgumentError(
      `${quote(String(text))} cannot be written as a tensor name or metadata: it is not Unicode text.`,
    );
  }
  return JSON.stringify(text);
}

function withLength(json: Uint8Array): Uint8Array {
  const padded = Math.ceil(json.byteLength / 8) * 8;
  if (padded > MAX_HEADER_BYTES) {
    throw new ArgumentError(
      `The header would take ${padded} bytes, more than the ${MAX_HEADER_BYTES} that safetensors allows; write fewer tensors or less metadata.`,
    );
  }
  const bytes = new Uint8Array(8 + padded).fill(0x20);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(padded), true);
  bytes.set(json, 8);
  return bytes;
}
