import { DeviceLostError } from '@vq4dit/core';
import { CONTROL, CONTROL_BYTES, FAILURE_BYTES } from './control.ts';
import { startThread, type Thread } from './thread.ts';
import { nodeModule, type WasmMemory, type WasmModule } from './web.ts';

/** A function that WebAssembly exports: does chunks [begin, end) of the work that `args` describes. */
export type Kernel = (args: number, begin: number, end: number) => void;

type Claim = (ticket: number, job: number, grain: number, chunks: number) => number;
type Open = (ticket: number, job: number, next: number) => void;

/** What {@link Pool.start} needs. */
export interface PoolOptions {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** Exports of the host's own instance. */
  readonly exports: Readonly<Record<string, unknown>>;
  readonly kernels: readonly string[];
  readonly control: number;
  /** Working memory of each thread, the host's (which the pool does not touch) first. */
  readonly scratches: readonly number[];
  /** How long idle threads look for work before they sleep. */
  readonly spinMicroseconds: number;
  /** How long a job may make no progress before its threads count as lost. */
  readonly stallSeconds: number;
}

/** The next chunk of a job that nobody may take from yet. */
const NONE_LEFT = 0x7fffffff;

/** The host sleeps at most so long before it looks whether a thread has failed. */
const WAIT_MS = 100;

/**
 * Worker threads that share one memory with the host. A job is a number of chunks; host and threads
 * take chunks until none is left, and a job is over when every chunk is done. A thread that is slow
 * to wake up is not waited for unless it has taken something.
 */
export class Pool {
  readonly #options: PoolOptions;
  readonly #words: Int32Array;
  readonly #first: number;
  readonly #claim: Claim;
  readonly #open: Open;
  /** Node's main thread and workers may sleep; a page may not. */
  readonly #maySleep = nodeModule('node:worker_threads') !== undefined || isInWorker();
  readonly #threads: Thread[] = [];
  #job = 0;
  #failure: DeviceLostError | undefined;
  #closing = false;

  private constructor(options: PoolOptions) {
    this.#options = options;
    this.#first = options.control / 4;
    this.#words = new Int32Array(options.memory.buffer, 0, this.#first + CONTROL_BYTES / 4);
    this.#claim = options.exports.claim as Claim;
    this.#open = options.exports.open as Open;
  }

  /** Starts the threads and waits until all can take work. @throws Error if one does not start */
  static async start(options: PoolOptions): Promise<Pool> {
    const pool = new Pool(options);
    try {
      const { scratches, module, memory, control, kernels, spinMicroseconds } = options;
      for (let thread = 1; thread < scratches.length; thread++) {
        const scratch = scratches[thread]!;
        const start = { module, memory, thread, scratch, control, kernels, spinMicroseconds };
        pool.#threads.push(
          startThread({ ...start, layout: CONTROL, failureBytes: FAILURE_BYTES }, (reason) =>
            pool.#onEnd(thread, reason),
          ),
        );
      }
      await Promise.all(pool.#threads.map(({ ready }) => ready));
      return pool;
    } catch (error) {
      await pool.close();
      throw error;
    }
  }

  /**
   * Runs chunks [0, chunks) of a kernel on all threads; `args` is an address.
   *
   * @throws DeviceLostError if a thread failed now or before
   */
  run(kernel: number, call: Kernel, args: number, chunks: number): void {
    if (this.#failure) throw this.#failure;
    const threads = this.#threads.length + 1;
    // Small enough that threads end together, large enough that taking costs nothing.
    const grain = Math.max(1, Math.floor(chunks / (threads * 8)));
    this.#job = (this.#job + 1) | 0;
    const ticket = this.#options.control + 4 * CONTROL.ticket;
    // First the ticket: a thread that has read the old job's number but not yet its words would read
    // the new job's, and could take the chunks that it has more than the old one.
    this.#open(ticket, this.#job, NONE_LEFT);
    this.#store(CONTROL.kernel, kernel);
    this.#store(CONTROL.args, args);
    this.#store(CONTROL.chunks, chunks);
    this.#store(CONTROL.grain, grain);
    this.#store(CONTROL.done, 0);
    this.#open(ticket, this.#job, 0);
    this.#store(CONTROL.job, this.#job);
    if (this.#load(CONTROL.sleepers) > 0) {
      Atomics.notify(this.#words, this.#first + CONTROL.job, chunks - 1);
    }
    let own = 0;
    for (;;) {
      const begin = this.#claim(ticket, this.#job, grain, chunks);
      if (begin < 0) break;
      const end = Math.min(begin + grain, chunks);
      try {
        call(args, begin, end);
      } catch (error) {
        // Nothing more may be taken: the others stop after the chunks that they have.
        this.#open(ticket, this.#job, chunks);
        throw this.fail(`The main thread of the wasm backend failed in ${this.#name()}: ${error}`);
      }
      own += end - begin;
    }
    if (own > 0) Atomics.add(this.#words, this.#first + CONTROL.done, own);
    this.#waitFor(chunks);
  }

  /** Ends all threads. */
  async close(): Promise<void> {
    this.#closing = true;
    this.#store(CONTROL.stop, 1);
    this.#store(CONTROL.job, this.#job + 1);
    Atomics.notify(this.#words, this.#first + CONTROL.job);
    await Promise.all(this.#threads.map((thread) => thread.terminate()));
  }

  /** Makes every later run throw. @returns the error */
  fail(what: string): DeviceLostError {
    this.#failure ??= new DeviceLostError(
      `${what}; what it held may be wrong and is given up. Start the backend again; ` +
        'if this happens again, use one thread (VQ4DIT_THREADS=1) and report it.',
    );
    return this.#failure;
  }

  /** The reason why nothing can run any more. */
  get failure(): DeviceLostError | undefined {
    return this.#failure;
  }

  /** For tests: ends one thread without telling the pool. */
  async kill(thread: number): Promise<void> {
    await this.#threads[thread - 1]!.terminate();
  }

  #waitFor(chunks: number): void {
    const stalls = (this.#options.stallSeconds * 1000) / WAIT_MS;
    let spins = 0;
    let still = 0;
    let before = performance.now();
    for (;;) {
      const done = this.#load(CONTROL.done);
      if (done === chunks) return;
      if (this.#load(CONTROL.failed) !== 0) throw this.fail(this.#failureText());
      if (++spins < 2000) continue;
      // Time is counted in waits: a process that was suspended has not been waiting.
      if (this.#maySleep) {
        const outcome = Atomics.wait(this.#words, this.#first + CONTROL.done, done, WAIT_MS);
        still = outcome === 'timed-out' ? still + 1 : 0;
      } else {
        const now = performance.now();
        still =
          this.#load(CONTROL.done) === done ? still + Math.min(1, (now - before) / WAIT_MS) : 0;
        before = now;
      }
      if (still >= stalls) throw this.fail(this.#stallText());
    }
  }

  #failureText(): string {
    const { memory, control } = this.#options;
    const thread = this.#load(CONTROL.failed);
    const length = this.#load(CONTROL.failureBytes);
    // A decoder takes no shared memory.
    const bytes = new Uint8Array(memory.buffer, control + 4 * CONTROL.failure, length).slice();
    const text = new TextDecoder().decode(bytes);
    return `Worker thread ${thread} of the wasm backend failed in ${this.#name()}: ${text}`;
  }

  #stallText(): string {
    const threads = this.#threads.map((_, i) => i + 1);
    const busy = threads.filter((thread) => this.#load(CONTROL.busy + thread) !== 0);
    return (
      `Worker thread ${busy.join(', ') || '(unknown)'} of the wasm backend has not finished its ` +
      `part of ${this.#name()} for ${this.#options.stallSeconds} s: it has died or is stuck`
    );
  }

  /** The kernel of the latest job. */
  #name(): string {
    return this.#options.kernels[this.#load(CONTROL.kernel)]!;
  }

  #onEnd(thread: number, reason: string): void {
    if (!this.#closing) this.fail(`Worker thread ${thread} of the wasm backend is gone: ${reason}`);
  }

  #load(word: number): number {
    return Atomics.load(this.#words, this.#first + word);
  }

  #store(word: number, value: number): void {
    Atomics.store(this.#words, this.#first + word, value);
  }
}

function isInWorker(): boolean {
  return 'WorkerGlobalScope' in globalThis;
}
