/** Bytes of working memory that every thread has for itself, 64-byte aligned. */
export const SCRATCH_BYTES: usize = 4 << 20;

let base: usize = 0;
let thread: i32 = 0;

/**
 * This thread's working memory. Its contents are undefined when a kernel starts: nothing may be
 * kept in it from one call to the next.
 */
// @ts-ignore: decorator
@inline
export function scratch(): usize {
  return base;
}

/** Called by the host, once per thread, before any kernel. Thread 0 is the host's own. */
export function setThread(index: i32, pointer: usize): void {
  thread = index;
  base = pointer;
}

/** The number of this thread. Results must not depend on it. */
// @ts-ignore: decorator
@inline
export function threadIndex(): i32 {
  return thread;
}

/** The first byte that is not taken by the module's own constants. */
export function heapBase(): usize {
  return __heap_base;
}

/** Bytes of working memory that the host has to set aside per thread. */
export function scratchBytes(): usize {
  return SCRATCH_BYTES;
}
