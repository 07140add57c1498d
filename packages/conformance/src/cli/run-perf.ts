import { limitsOf } from '../limits.ts';
import { measure } from '../measure.ts';
import type { Row } from '../row.ts';
import { WORKLOADS } from '../workloads/index.ts';
import type { Command } from './command.ts';
import { selectWorkloads } from './select.ts';

/** Times the selected workloads; what is wrong on the device is not timed and counts as failed. */
export const runPerf: Command = async ({ backend, declared }, _name, options, { writer }) => {
  const workloads = selectWorkloads(WORKLOADS, options);
  const limits = limitsOf(
    declared.tier ?? backend.info().precision,
    options.flushesDenormals ?? declared.flushesDenormals,
  );
  const { seed, minTime } = options;
  let failed = 0;
  writer.text(`${backend.id} (${backend.info().device})`);
  for (const workload of workloads) {
    const row = await measure(backend, workload, { limits, seed, ...(minTime && { minTime }) });
    if (row.status === 'failed') failed++;
    writer.row(row, lineOf(row));
  }
  return { failed, ran: workloads.length };
};

function lineOf(row: Row): string {
  const head = `${row.op.padEnd(22)} ${row.params.padEnd(54)} ${(row.way ?? '').padEnd(8)}`;
  if (row.time_us === undefined) return `${head} ${row.status}: ${row.message}`;
  const rate =
    row.gflops === undefined ? `${digits(row.gb_s!)} GB/s` : `${digits(row.gflops)} GFLOP/s`;
  return `${head} ${digits(row.time_us).padStart(9)} us  ${rate.padStart(14)}  ${row.n_runs} runs`;
}

/** Three digits that count, and never an exponent. */
function digits(x: number): string {
  return x >= 100 ? x.toFixed(0) : x.toPrecision(3);
}
