// A running job has a ticket: a 64-bit word with the job's number above and the next chunk that
// nobody has taken below. Both change in one step, so a thread that wakes up late cannot take work of
// a job that it has not read.

/** Lets threads take chunks of a job from chunk `next` on. */
export function open(ticket: usize, job: i32, next: i32): void {
  if (ASC_FEATURE_THREADS) atomic.store<i64>(ticket, ((<i64>job) << 32) | (<i64>next));
}

/**
 * Takes the next chunks of a running job.
 *
 * @returns the first of at most `grain` chunks, which now belong to the caller; -1 if none is left
 * or the job is not the current one
 */
export function claim(ticket: usize, job: i32, grain: i32, chunks: i32): i32 {
  if (ASC_FEATURE_THREADS) {
    let seen = atomic.load<i64>(ticket);
    while (true) {
      const next = <i32>seen;
      if (<i32>(seen >> 32) != job || next >= chunks) return -1;
      const left = chunks - next;
      const taken = seen + (grain < left ? grain : left);
      const found = atomic.cmpxchg<i64>(ticket, seen, taken);
      if (found == seen) return next;
      seen = found;
    }
  }
  return -1;
}
