import { availableParallelism, cpus, totalmem } from 'node:os';
import { formatBytes } from '../terminal/reporter.ts';

/** This machine, as reports name it. */
export function machineText(): string {
  const [first] = cpus();
  const cores = `${cpus().length} x ${first?.model.trim() ?? 'unknown processor'}`;
  return `${cores}, ${formatBytes(totalmem())} of memory, Node ${process.versions.node}`;
}

/** The machine and what else is busy on it: what a time has to be read with. */
export function circumstances(concurrency: number): string {
  return concurrency > 1 ? `${machineText()}, ${concurrency} cells at a time` : machineText();
}

/**
 * Threads of each worker where several run: the cores, shared out. Undefined leaves the choice to the
 * backend, as for one worker, which has all cores, and where the user has chosen.
 */
export function threadsOfWorkers(concurrency: number): number | undefined {
  if (concurrency === 1 || process.env.VQ4DIT_THREADS) return undefined;
  return Math.max(1, Math.floor(availableParallelism() / concurrency));
}
