/** Bytes from which the engine's own copying, a call out of WebAssembly, is faster than a loop. */
const LONG: usize = 512;

/** Any number of bytes that is a multiple of 4. */
// @ts-ignore: decorator
@inline
export function copyElements(to: usize, from: usize, bytes: usize): void {
  if (bytes >= LONG) {
    memory.copy(to, from, bytes);
    return;
  }
  const end = from + bytes;
  for (; from + 16 <= end; from += 16) {
    v128.store(to, v128.load(from));
    to += 16;
  }
  for (; from < end; from += 4) {
    store<i32>(to, load<i32>(from));
    to += 4;
  }
}
