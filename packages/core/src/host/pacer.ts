import { InterruptedError } from '../errors.ts';

/** Longest time that a loop keeps the event loop to itself, in milliseconds. */
const TURN_MS = 25;

/**
 * Keeps a long loop polite: `if (pacer.due()) await pacer.pause()` gives timers, signals and
 * rendering their turn, and stops the loop when its `AbortSignal` says so.
 */
export class Pacer {
  readonly #signal: AbortSignal | undefined;
  readonly #task: string;
  #since = performance.now();

  /** @param task what is interrupted, as the start of a sentence: "The k-means run" */
  constructor(task: string, signal: AbortSignal | undefined) {
    this.#task = task;
    this.#signal = signal;
  }

  /** Whether the loop has run for a whole turn. Cheap enough for every few thousand rows. */
  due(): boolean {
    return performance.now() - this.#since >= TURN_MS;
  }

  /** Lets others run. @throws InterruptedError when the signal is aborted */
  async pause(): Promise<void> {
    await new Promise<void>((resolve) => setTimeout(resolve, 0));
    this.#since = performance.now();
    this.check();
  }

  /** @throws InterruptedError when the signal is aborted */
  check(): void {
    if (this.#signal?.aborted) {
      throw new InterruptedError(`${this.#task} was interrupted before it was finished.`, {
        cause: this.#signal.reason,
      });
    }
  }
}
