import { quote } from '../io/describe.ts';
import { countElements, MAX_AXES, STORAGE_DTYPE_BYTES } from '../tensor/storage-dtype.ts';
import { type PickleValue, type TorchStorage, TorchTensor } from './pickle-value.ts';

/** Makes a tensor of values out of a pickle, once it is sure to lie inside its storage. */
export function makeTensor(
  storage: TorchStorage,
  offset: PickleValue | undefined,
  size: readonly PickleValue[],
  stride: readonly PickleValue[],
  fail: (problem: string) => never,
): TorchTensor {
  const refuse = (problem: string) =>
    fail(`has a tensor of storage ${quote(storage.key)} that ${problem}`);
  if (size.length !== stride.length || size.length > MAX_AXES) {
    return refuse(`has ${size.length} axes but ${stride.length} strides`);
  }
  if (!isCount(offset) || !size.every(isCount) || !stride.every(isCount)) {
    return refuse('has an offset, size or stride that is not an integer >= 0');
  }
  const elements = countElements(size);
  if (elements === undefined) return refuse('has an impossible size');
  const tensor = new TorchTensor(storage, offset, size, stride);
  if (elements === 0) return tensor;
  const end = lastIndex(tensor) + 1;
  if (end > storage.elements) {
    return refuse(`needs ${end} elements of it, but it has ${storage.elements}`);
  }
  if (elements > storage.elements) {
    return refuse(
      `repeats its ${storage.elements} elements to ${elements}; save the checkpoint again with .contiguous() tensors`,
    );
  }
  return tensor;
}

function isCount(value: PickleValue | undefined): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;
}

/** Index into the storage of the last element; infinite or inexact only if far out of range. */
function lastIndex({ offset, shape, strides }: TorchTensor): number {
  return shape.reduce((sum, size, axis) => sum + (size - 1) * strides[axis], offset);
}

/** Whether the elements follow each other in the storage, row-major without gaps. */
export function isContiguous({ shape, strides }: TorchTensor): boolean {
  let expected = 1;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    if (shape[axis] !== 1 && strides[axis] !== expected) return false;
    expected *= shape[axis];
  }
  return true;
}

/** Reads elements of a storage, counted in elements. */
export type ReadStorage = (start: number, count: number) => Promise<Uint8Array>;

/**
 * The bytes of `count` elements from element `start`, row-major. A contiguous tensor is read as
 * one range. Any other reads the smallest range of the storage that covers these elements, which
 * for a transposed matrix may be nearly all of it, and picks them out.
 */
export async function readStrided(
  tensor: TorchTensor,
  start: number,
  count: number,
  readStorage: ReadStorage,
): Promise<Uint8Array> {
  if (count === 0) return new Uint8Array(0);
  if (isContiguous(tensor)) return readStorage(tensor.offset + start, count);
  let first = Number.POSITIVE_INFINITY;
  let last = 0;
  for (const index of storageIndices(tensor, start, count)) {
    if (index < first) first = index;
    if (index > last) last = index;
  }
  const span = await readStorage(first, last - first + 1);
  const width = STORAGE_DTYPE_BYTES[tensor.storage.dtype];
  const out = new Uint8Array(count * width);
  let at = 0;
  for (const index of storageIndices(tensor, start, count)) {
    const from = (index - first) * width;
    for (let byte = 0; byte < width; byte++) out[at++] = span[from + byte];
  }
  return out;
}

/** Storage indices of `count` elements from element `start`, row-major. */
function* storageIndices(tensor: TorchTensor, start: number, count: number): Generator<number> {
  const { shape, strides } = tensor;
  // An odometer: one position per axis, and the index that they add up to.
  const position = new Array<number>(shape.length).fill(0);
  let index = tensor.offset;
  let rest = start;
  for (let axis = shape.length - 1; axis >= 0; axis--) {
    position[axis] = rest % shape[axis];
    rest = Math.floor(rest / shape[axis]);
    index += position[axis] * strides[axis];
  }
  for (let done = 0; done < count; done++) {
    yield index;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      index += strides[axis];
      if (++position[axis] < shape[axis]) break;
      index -= position[axis] * strides[axis];
      position[axis] = 0;
    }
  }
}
