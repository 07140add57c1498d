import { workerSource } from './generated/worker-source.ts';
import { nodeModule, type WebWorker, web } from './web.ts';
import type { WorkerReady, WorkerStart } from './worker.ts';

/** One worker thread, of Node or of a browser. */
export interface Thread {
  /** Resolves when it can take work. @throws Error if it does not start */
  readonly ready: Promise<void>;
  /** Ends it at once. */
  terminate(): Promise<void>;
}

/** Hears that a thread has ended by itself, and what is known of why. */
export type OnEnd = (reason: string) => void;

type NodeThreads = typeof import('node:worker_threads');

/**
 * Starts a thread on the text of worker.ts: in Node by evaluating it, in a browser from a Blob.
 * The thread does not keep a Node process alive. @throws Error where workers are not allowed
 */
export function startThread(start: WorkerStart, onEnd: OnEnd): Thread {
  const node = nodeModule<NodeThreads>('node:worker_threads');
  return node ? startInNode(node, start, onEnd) : startInBrowser(start, onEnd);
}

function startInNode({ Worker }: NodeThreads, start: WorkerStart, onEnd: OnEnd): Thread {
  const worker = new Worker(workerSource, {
    eval: true,
    name: `vq4dit wasm ${start.thread}`,
    workerData: start,
    // The program's own options and variables are none of this thread's business.
    execArgv: [],
    env: {},
  });
  const ready = new Promise<void>((resolve, reject) => {
    let cause = '';
    worker.once('message', (message: WorkerReady) => {
      if (message.ready === start.thread) resolve();
      worker.unref();
    });
    worker.on('error', (error) => {
      cause = `: ${error.message}`;
    });
    worker.once('exit', (code) => {
      const reason = `it ended with exit code ${code}${cause}`;
      reject(new Error(reason));
      onEnd(reason);
    });
  });
  return {
    ready,
    async terminate() {
      await worker.terminate();
    },
  };
}

function startInBrowser(start: WorkerStart, onEnd: OnEnd): Thread {
  if (web.Worker === undefined) throw new Error('there are no workers here');
  const url = URL.createObjectURL(new Blob([workerSource], { type: 'text/javascript' }));
  const worker: WebWorker = new web.Worker(url, { name: `vq4dit wasm ${start.thread}` });
  const ready = new Promise<void>((resolve, reject) => {
    worker.onmessage = () => resolve();
    worker.onerror = (event) => {
      event.preventDefault?.();
      const reason = event.message ?? 'the browser did not start it (content security policy?)';
      reject(new Error(reason));
      onEnd(reason);
    };
    worker.postMessage(start);
  }).finally(() => URL.revokeObjectURL(url));
  return {
    ready,
    async terminate() {
      worker.terminate();
    },
  };
}
