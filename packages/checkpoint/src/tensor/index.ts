export {
  decodeFloat32,
  decodeInt32,
  type ElementArray,
  littleEndianBytes,
  typedArray,
} from './decode.ts';
export { openTensorFile } from './open.ts';
export { STORAGE_DTYPE_BYTES, type StorageDType } from './storage-dtype.ts';
export type { RawTensor, TensorEntry, TensorFile } from './tensor-file.ts';
