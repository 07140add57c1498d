import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** One line of the results: a case on a contender, with the machine and the time of day. */
export function rowOf(wanted, contender, result, machine) {
  const { id, seconds, turns, runs, status, message, way, value, judged_by } = result;
  const { flops, bytes } = wanted.workload ?? {};
  const sorted = [...seconds].sort((a, b) => a - b);
  const time = sorted.length > 0 ? middle(sorted) : undefined;
  const isTimed = status === 'passed';
  return {
    case: wanted.id,
    kind: wanted.kind,
    contender: id,
    is_backend: contender.isBackend,
    device: contender.device,
    version: contender.version,
    status,
    message,
    way,
    ...(isTimed && {
      seconds: time,
      fastest: sorted[0],
      slowest: sorted.at(-1),
      ...(flops !== undefined && { gflops: flops / time / 1e9 }),
      ...(flops === undefined && bytes !== undefined && { gb_s: bytes / time / 1e9 }),
    }),
    turns,
    runs,
    value,
    judged_by,
    date: new Date().toISOString(),
    machine,
  };
}

/** All rows of a file, none where there is no file. */
export function readRows(file) {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean);
  return lines.map((line) => JSON.parse(line));
}

/** Adds rows to a file in place of those of the same case, contender and version of Node. */
export function mergeRows(file, rows) {
  const keyOf = (row) => [row.case, row.contender, row.machine.node.split('.')[0]].join('\n');
  const merged = new Map([...readRows(file), ...rows].map((row) => [keyOf(row), row]));
  writeFileSync(file, [...merged.values()].map((row) => `${JSON.stringify(row)}\n`).join(''));
}

function middle(sorted) {
  const at = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[at] : (sorted[at - 1] + sorted[at]) / 2;
}
