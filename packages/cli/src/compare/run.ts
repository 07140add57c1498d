import { InterruptedError, VqError } from '@vq4dit/core';
import { type CellContext, type CellResult, runCell } from './cell.ts';
import type { Cell } from './plan.ts';
import { NotDoneError } from './step.ts';

/** A cell that could not be made; the others go on. */
export interface FailedCell {
  readonly id: string;
  readonly reason: string;
}

/** The cells that are there so far. */
export interface Outcome {
  readonly results: readonly CellResult[];
  readonly failed: readonly FailedCell[];
  /** Cells that have not been tried yet. */
  readonly left: number;
}

/** Options of {@link runCells}. */
export interface RunOptions extends CellContext {
  /** Called with the last line of a cell's worker. */
  readonly onLine: (cell: Cell, line: string) => void;
  /** Called after each cell. */
  readonly onCell: (outcome: Outcome) => Promise<void>;
}

/**
 * Runs cells in worker processes, some at a time, in order. A cell that fails is noted and the
 * others go on; what is finished is not done again.
 *
 * @throws InterruptedError where the signal was aborted, when the running workers have stopped
 */
export async function runCells(cells: readonly Cell[], options: RunOptions): Promise<Outcome> {
  const results = new Map<string, CellResult>();
  const failed = new Map<string, FailedCell>();
  const outcome = (): Outcome => ({
    // In the order of the plan, whatever finished first.
    results: cells.flatMap(({ id }) => results.get(id) ?? []),
    failed: cells.flatMap(({ id }) => failed.get(id) ?? []),
    left: cells.length - results.size - failed.size,
  });
  let next = 0;
  let reporting = Promise.resolve();
  const work = async () => {
    for (let cell = cells[next++]; cell; cell = cells[next++]) {
      const { id } = cell;
      try {
        const done = await runCell(cell, options, (line) => options.onLine(cell, line));
        results.set(id, done);
      } catch (error) {
        // What is not done and may not be started is left.
        if (error instanceof NotDoneError) continue;
        if (error instanceof InterruptedError || !(error instanceof VqError)) throw error;
        failed.set(id, { id, reason: error.message });
      }
      const now = outcome();
      // One report at a time.
      reporting = reporting.then(() => options.onCell(now));
      await reporting;
    }
  };
  const workers = Array.from({ length: options.concurrency }, work);
  const ends = await Promise.allSettled(workers);
  const error = ends.find((end) => end.status === 'rejected')?.reason;
  if (error !== undefined) throw error;
  return outcome();
}
