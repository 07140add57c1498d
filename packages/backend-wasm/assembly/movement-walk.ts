/**
 * Walks over two tensors at once, each with strides of its own. The axes are a table of 32-bit words
 * in memory, last axis first: its length, the step of the first tensor along it and the step of the
 * second one, in elements. The first entry always exists; an axis of length 1 stands for none.
 */

/** Bytes of one entry. */
const ENTRY: usize = 12;

/** The axes of a kernel whose arguments say where they are: 0 for right behind the arguments. */
// @ts-ignore: decorator
@inline
export function axesTable(pointer: usize, behind: usize): usize {
  return pointer == 0 ? behind : pointer;
}

/** Length of the last axis: for so many rows on end each tensor moves by one step. */
// @ts-ignore: decorator
@inline
export function runLength(table: usize): i32 {
  return load<i32>(table);
}

/** Step along the last axis, in bytes, of tensor 0 or 1. */
// @ts-ignore: decorator
@inline
export function runStep(table: usize, tensor: usize): usize {
  return load<usize>(table + (tensor << 2), 4) << 2;
}

/** Bytes from the beginning of tensor 0 or 1 to row `row` of the walk. */
export function offsetOf(table: usize, axes: i32, row: i32, tensor: usize): usize {
  let offset: usize = 0;
  let rest = <u32>row;
  let entry = table;
  for (let i = 0; i < axes; i++) {
    const length = load<u32>(entry);
    const above = rest / length;
    offset += <usize>(rest - above * length) * load<usize>(entry + (tensor << 2), 4);
    rest = above;
    entry += ENTRY;
  }
  return offset << 2;
}
