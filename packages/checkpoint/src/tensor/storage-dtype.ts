/** Element types of tensors in files, by their safetensors names, with their sizes in bytes. */
export const STORAGE_DTYPE_BYTES = {
  BOOL: 1,
  U8: 1,
  I8: 1,
  I16: 2,
  U16: 2,
  F16: 2,
  BF16: 2,
  I32: 4,
  U32: 4,
  F32: 4,
  F64: 8,
  I64: 8,
  U64: 8,
} as const;

/** Element type of a tensor in a file. Computing happens in float32 and int32 only. */
export type StorageDType = keyof typeof STORAGE_DTYPE_BYTES;

export function isStorageDType(name: string): name is StorageDType {
  return Object.hasOwn(STORAGE_DTYPE_BYTES, name);
}

/** More axes than any framework allows; bounds the work that one entry of a file can ask for. */
export const MAX_AXES = 64;

/**
 * Number of elements of a shape, or undefined where it is not a legal one: an axis that is not a
 * non-negative integer, too many axes, or a product that is not exact in a JavaScript number.
 */
export function countElements(shape: readonly number[]): number | undefined {
  if (shape.length > MAX_AXES) return undefined;
  let product = 1;
  let empty = false;
  for (const size of shape) {
    if (!Number.isSafeInteger(size) || size < 0) return undefined;
    if (size === 0) empty = true;
    else product *= size;
    if (product > Number.MAX_SAFE_INTEGER) return undefined;
  }
  return empty ? 0 : product;
}
