import { fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { InterruptedError, VqError } from '@vq4dit/core';
import { threadsOfWorkers } from './machine.ts';

/** The command line of this very package. */
const PROGRAM = fileURLToPath(new URL('../../bin/vq4dit.js', import.meta.url));
/** Exit status of an interrupted program. */
const INTERRUPTED = 130;
/** Set for programs that were started by another one, which wants to know what they used. */
export const WORKER_FLAG = 'VQ4DIT_WORKER';
const MIB = 2 ** 20;

/** A worker process failed: the reason is its own last line. */
export class WorkerError extends VqError {
  override readonly name = 'WorkerError';
}

/** What a worker process gave and used. */
export interface WorkerResult<T> {
  readonly result: T;
  /** Most memory that it had resident at once. */
  readonly peakBytes: number;
  /** From start to end, with the start of Node. */
  readonly seconds: number;
}

/** Options of {@link runWorker}. */
export interface WorkerOptions {
  readonly signal: AbortSignal;
  /** Workers at a time, this one included; they share the cores. Default 1. */
  readonly concurrency?: number;
  /** Called with each line that the worker writes for people: its progress. */
  readonly onLine?: (line: string) => void;
}

/**
 * Runs `vq4dit <args> --json` in a process of its own, so that its memory is its own and a crash
 * takes nothing else with it. When the signal is aborted the worker is told to stop at its next safe
 * point; when this process dies the worker ends too.
 *
 * @throws InterruptedError where the signal was aborted
 * @throws WorkerError where the worker fails, with its own words
 */
export async function runWorker<T>(
  args: readonly string[],
  { signal, onLine, concurrency = 1 }: WorkerOptions,
): Promise<WorkerResult<T>> {
  if (signal.aborted) throw new InterruptedError('Stopped; run the same command again to go on.');
  const started = performance.now();
  const threads = threadsOfWorkers(concurrency);
  const child = fork(PROGRAM, [...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env: {
      ...process.env,
      ...(threads !== undefined && { VQ4DIT_THREADS: String(threads) }),
      [WORKER_FLAG]: '1',
    },
    // A terminal's Ctrl-C would reach the worker twice, from the terminal and from here.
    detached: true,
  });
  const stop = () => void child.kill('SIGINT');
  signal.addEventListener('abort', stop, { once: true });
  let [stdout, stderr, peakBytes] = ['', '', 0];
  child.on('message', (message) => {
    peakBytes = (message as { peakBytes: number }).peakBytes;
  });
  child.stdout!.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr!.setEncoding('utf8').on('data', (text: string) => {
    const lines = (stderr + text).split('\n');
    stderr = lines.slice(-20).join('\n');
    const last = lines.findLast((line) => line.trim() !== '');
    if (last !== undefined) onLine?.(last);
  });
  try {
    const { code, killed } = await ended(child);
    if (signal.aborted || code === INTERRUPTED) {
      throw new InterruptedError('Stopped; run the same command again to go on.');
    }
    if (code !== 0) throw new WorkerError(reasonOf(stderr, killed));
    const seconds = (performance.now() - started) / 1000;
    return { result: JSON.parse(stdout) as T, peakBytes, seconds };
  } finally {
    signal.removeEventListener('abort', stop);
  }
}

function ended(
  child: ReturnType<typeof fork>,
): Promise<{ code: number | null; killed: NodeJS.Signals | null }> {
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, killed) => resolve({ code, killed }));
  });
}

/** The worker's own sentence, or how it ended where it had no time for one. */
function reasonOf(stderr: string, killed: NodeJS.Signals | null): string {
  const own = stderr.split('\n').findLast((line) => line.startsWith('vq4dit: '));
  if (own?.includes('unexpected error')) return `The worker has a bug: ${stderr.trim()}`;
  if (own !== undefined) return own.slice('vq4dit: '.length);
  const free = `${Math.round(process.availableMemory?.() / MIB)} MiB`;
  return killed
    ? `The worker was killed by ${killed}; if it ran out of memory (${free} are free now), use a lower --concurrency.`
    : `The worker failed without a reason: ${stderr.trim().split('\n').at(-1) ?? ''}`;
}
