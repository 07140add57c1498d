// The files of docs/support: one for each backend, a row for each workload, and nothing that differs by
// machine.
import { readFileSync, writeFileSync } from 'node:fs';
import { parse } from 'csv-parse/sync';

const KEPT = ['op', 'params', 'way', 'message'];

export const supportFolder = new URL('../docs/support/', import.meta.url);
const fileOf = (id) => new URL(`${id}.csv`, supportFolder);

/** The rows of a file. */
export function readSupport(id) {
  return parseSupport(readFileSync(fileOf(id), 'utf8'));
}

/** The rows of a table of `vq4dit conformance support`. */
export function parseSupport(text) {
  return parse(text, { columns: true });
}

/** Writes what is kept of rows. */
export function writeSupport(id, rows) {
  const lines = rows.map((row) => KEPT.map((key) => quoted(row[key])));
  writeFileSync(fileOf(id), `${[KEPT, ...lines].map((line) => line.join(',')).join('\n')}\n`);
}

function quoted(text) {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}
