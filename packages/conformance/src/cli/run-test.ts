import type { Row } from '../row.ts';
import {
  type CaseResult,
  environmentOf,
  makeReport,
  runAndJudge,
  summaryLine,
} from '../run-conformance.ts';
import { CASES } from '../table.ts';
import type { Command, CommandOptions } from './command.ts';
import { replayCommand } from './replay.ts';
import { selectCases, splitId } from './select.ts';

/** Runs the selected cases of the table; gives the number of what went wrong. */
export const runTest: Command = async ({ backend, declared }, name, options, context) => {
  const { writer } = context;
  const isAll = options.op === undefined && options.params === undefined;
  const cases = selectCases(CASES, options);
  const settings = {
    ...declared,
    ...(options.flushesDenormals && { flushesDenormals: true }),
    seed: options.seed,
    ...(options.runs !== undefined && { numRuns: options.runs }),
    path: options.path,
    ...(isAll ? {} : { cases }),
  };
  const environment = environmentOf(backend, settings);
  const results: CaseResult[] = [];
  for (const opCase of cases) {
    const result = await runAndJudge(opCase, environment, declared.expectedFailures ?? []);
    results.push(result);
    const row = rowOf(result, backend.info(), name, options, context.program);
    writer.row(row, lineOf(row));
  }
  const report = makeReport(backend, results, settings);
  for (const problem of report.problems) writer.text(`problem: ${problem}`);
  writer.text(summaryLine(report));
  return { failed: report.counts.failed + report.problems.length, ran: results.length };
};

function rowOf(
  { id, seed, status, message, path }: CaseResult,
  info: {
    readonly id: string;
    readonly device: string;
    readonly isGpu: boolean;
    readonly precision: string;
  },
  name: string,
  options: CommandOptions,
  program: string,
): Row {
  const { name: op, params } = splitId(id);
  return {
    mode: 'test',
    backend: info.id,
    device: info.device,
    is_gpu: info.isGpu,
    precision: info.precision,
    op,
    params,
    supported: status !== 'unsupported',
    passed: status === 'passed',
    status,
    ...(message !== undefined && { message }),
    seed,
    ...(path !== undefined && { path }),
    ...(status === 'failed' && {
      replay: replayCommand({
        ...{ program, backend: name, id, seed, path },
        flushesDenormals: options.flushesDenormals,
      }),
    }),
  };
}

/** Only what is not as it should be is worth a line. */
function lineOf(row: Row): string | undefined {
  const head = `${row.op}(${row.params})`;
  if (row.status === 'passed') return undefined;
  if (row.status !== 'failed') return `${row.status!.padEnd(13)} ${head}: ${row.message}`;
  const where = row.path === undefined ? `seed ${row.seed}` : `seed ${row.seed}, path ${row.path}`;
  return `FAILED        ${head}: ${row.message}\n              ${where}\n              replay: ${row.replay}`;
}
