import { stringify } from 'csv-stringify/sync';
import { COLUMNS, type Row } from '../row.ts';

/** Forms of output: for people, or one row schema for programs. */
export const OUTPUTS = ['console', 'json', 'csv'] as const;
/** A name in {@link OUTPUTS}. */
export type Output = (typeof OUTPUTS)[number];

/** Where a command writes: results, and notes for people. */
export interface Streams {
  result(text: string): void;
  note(text: string): void;
}

/** Takes rows one by one and writes them. */
export interface Writer {
  /** For the machine formats the row itself, for people what `line` says. */
  row(row: Row, line: string | undefined): void;
  /** For people only. */
  text(line: string): void;
  end(): void;
}

/** A writer for one format. JSON is an array, written when it is complete; CSV goes row by row. */
export function createWriter(output: Output, { result, note }: Streams): Writer {
  if (output === 'console') {
    return {
      row: (_, line) => line !== undefined && result(`${line}\n`),
      text: (line) => result(`${line}\n`),
      end: () => {},
    };
  }
  const text = (line: string) => note(`${line}\n`);
  if (output === 'csv') {
    result(csvLine(COLUMNS));
    return { text, row: (row) => result(csvLine(COLUMNS.map((name) => row[name]))), end: () => {} };
  }
  const rows: Row[] = [];
  return {
    text,
    row: (row) => rows.push(row),
    end: () => result(`${JSON.stringify(rows, null, 1)}\n`),
  };
}

function csvLine(cells: readonly unknown[]): string {
  return stringify([cells.map((cell) => (cell === undefined ? '' : String(cell)))]);
}
