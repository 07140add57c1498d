/**
 * The control block: where the host and its threads meet, at the same address for all. Words of 32
 * bits, counted from its first byte; what different threads write is on different cache lines.
 */
export const CONTROL = {
  /** Number of the latest job; idle threads wait for it to change. */
  job: 0,
  /** 64 bits: number of the job that may be taken from, and its next chunk (see `claim`). */
  ticket: 16,
  /** Chunks of the job that are finished; the host waits for all. */
  done: 32,
  /** Threads asleep. */
  sleepers: 48,
  /** The job: index of the kernel, address of its arguments, chunks, and chunks taken at a time. */
  kernel: 64,
  args: 65,
  chunks: 66,
  grain: 67,
  /** Not 0: threads end. */
  stop: 80,
  /** Number of the thread that failed, once `failure` is complete. */
  failed: 96,
  /** Number of the thread that writes `failure`: the first to fail. */
  failing: 97,
  /** Bytes of the UTF-8 text that begins at `failure`. */
  failureBytes: 98,
  failure: 112,
  /** Arguments of the host's kernel calls. */
  hostArgs: 256,
  /** Per thread: 1 + the first chunk that it is computing, or 0. */
  busy: 320,
} as const;

/** Words of 32 bits that a kernel's arguments may take. */
export const ARGUMENT_WORDS = 64;

/** Bytes of a failure's text that fit. */
export const FAILURE_BYTES = 4 * (CONTROL.hostArgs - CONTROL.failure);

/** Threads at most. */
export const MAX_THREADS = 256;

/** Bytes that the block takes. */
export const CONTROL_BYTES = 4 * (CONTROL.busy + MAX_THREADS);
