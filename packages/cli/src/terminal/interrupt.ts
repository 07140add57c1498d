/** Exit status of a program that was ended by Ctrl-C. */
export const INTERRUPTED = 130;

/** An interrupt as a signal. */
export interface Interrupt {
  readonly signal: AbortSignal;
  /** Gives SIGINT and SIGTERM their usual meaning back. */
  release(): void;
}

/**
 * Turns the first SIGINT or SIGTERM into an aborted signal, so that the work stops where it can be
 * taken up again; a second one ends the program at once.
 */
export function interruptSignal(onFirst: () => void): Interrupt {
  const controller = new AbortController();
  const handle = () => {
    if (controller.signal.aborted) process.exit(INTERRUPTED);
    controller.abort();
    onFirst();
  };
  process.on('SIGINT', handle);
  process.on('SIGTERM', handle);
  return {
    signal: controller.signal,
    release() {
      process.off('SIGINT', handle);
      process.off('SIGTERM', handle);
    },
  };
}
