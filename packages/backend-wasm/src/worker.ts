import type { CONTROL } from './control.ts';
import type { WasmMemory, WasmModule } from './web.ts';

/** What a thread is given when it starts. */
export interface WorkerStart {
  readonly module: WasmModule;
  readonly memory: WasmMemory;
  /** From 1; the host's own thread is 0. */
  readonly thread: number;
  /** Address of this thread's working memory. */
  readonly scratch: number;
  /** Address of the control block, and where in it what is. */
  readonly control: number;
  readonly layout: typeof CONTROL;
  readonly failureBytes: number;
  /** Names of the kernels, in the order in which jobs count them. */
  readonly kernels: readonly string[];
  /** How long to look for the next job before going to sleep. */
  readonly spinMicroseconds: number;
}

/** What a thread says when it can take work. */
export interface WorkerReady {
  readonly ready: number;
}

// This file is started from its own text (see build-kernels.mjs), so that neither Node nor a bundler
// has to find it: it imports types only.

type Kernel = (args: number, begin: number, end: number) => void;
type Claim = (ticket: number, job: number, grain: number, chunks: number) => number;
interface Scope {
  WebAssembly: {
    Instance: new (module: WasmModule, imports: object) => { exports: Record<string, unknown> };
  };
  onmessage: ((event: { data: WorkerStart }) => void) | null;
  postMessage(message: WorkerReady): void;
}

const scope = globalThis as unknown as Scope;
const threads =
  typeof process === 'undefined'
    ? undefined
    : process.getBuiltinModule<'node:worker_threads'>('node:worker_threads');

if (threads) {
  const { parentPort, workerData } = threads;
  serve(workerData as WorkerStart, (message) => parentPort?.postMessage(message));
} else {
  scope.onmessage = ({ data }) => serve(data, (message) => scope.postMessage(message));
}

/** Computes chunks of jobs until it is told to stop. */
function serve(start: WorkerStart, post: (message: WorkerReady) => void): void {
  const { module, memory, thread, scratch, layout, kernels, spinMicroseconds } = start;
  const { exports } = new scope.WebAssembly.Instance(module, { env: { memory } });
  (exports.setThread as (index: number, scratch: number) => void)(thread, scratch);
  const claim = exports.claim as Claim;
  const functions = kernels.map((name) => exports[name] as Kernel);

  const first = start.control / 4;
  const words = new Int32Array(memory.buffer, 0, first + layout.busy + thread + 1);
  const load = (word: number) => Atomics.load(words, first + word);
  const ticket = start.control + 4 * layout.ticket;
  const busy = first + layout.busy + thread;

  let job = 0;
  post({ ready: thread });
  for (;;) {
    job = nextJob(job);
    if (load(layout.stop) !== 0) return;
    const kernel = load(layout.kernel);
    const args = load(layout.args) >>> 0;
    const chunks = load(layout.chunks);
    const grain = load(layout.grain);
    for (;;) {
      const begin = claim(ticket, job, grain, chunks);
      if (begin < 0) break;
      const end = Math.min(begin + grain, chunks);
      Atomics.store(words, busy, begin + 1);
      try {
        functions[kernel]!(args, begin, end);
      } catch (error) {
        fail(error);
        return;
      }
      Atomics.store(words, busy, 0);
      const done = Atomics.add(words, first + layout.done, end - begin) + end - begin;
      if (done === chunks) Atomics.notify(words, first + layout.done);
    }
  }

  /** Waits for a job other than the one seen last. */
  function nextJob(seen: number): number {
    const end = performance.now() + spinMicroseconds / 1000;
    do {
      for (let i = 0; i < 100; i++) {
        const current = load(layout.job);
        if (current !== seen) return current;
      }
    } while (performance.now() < end);
    Atomics.add(words, first + layout.sleepers, 1);
    Atomics.wait(words, first + layout.job, seen);
    Atomics.sub(words, first + layout.sleepers, 1);
    return load(layout.job);
  }

  /** Leaves word of what went wrong; the host is waiting for this thread's chunks. */
  function fail(error: unknown): void {
    if (Atomics.compareExchange(words, first + layout.failing, 0, thread) !== 0) return;
    const text = new TextEncoder().encode(String(error)).subarray(0, start.failureBytes);
    new Uint8Array(memory.buffer, start.control + 4 * layout.failure, text.length).set(text);
    Atomics.store(words, first + layout.failureBytes, text.length);
    Atomics.store(words, first + layout.failed, thread);
    Atomics.notify(words, first + layout.done);
  }
}
