import { supportRows } from '../dry-run.ts';
import { WORKLOADS } from '../workloads/index.ts';
import type { Command } from './command.ts';
import { selectWorkloads } from './select.ts';

/** Asks how each workload would be computed. A refusal is an answer, not a failure. */
export const runSupport: Command = async ({ backend }, _name, options, { writer }) => {
  const rows = supportRows(backend, selectWorkloads(WORKLOADS, options));
  writer.text(`${backend.id} (${backend.info().device})`);
  for (const row of rows) {
    const reason = row.message === undefined ? '' : `  ${row.message}`;
    writer.row(row, `${row.op.padEnd(22)} ${row.params.padEnd(54)} ${row.way}${reason}`);
  }
  return { failed: 0, ran: rows.length };
};
