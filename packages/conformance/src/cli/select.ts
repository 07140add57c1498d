import { ArgumentError } from '@vq4dit/core';
import type { OpCase } from '../op-case.ts';
import type { Workload } from '../workloads/index.ts';

/** Which cases a command is about. */
export interface Selection {
  /** Operations: kernels, or the names of their variants. */
  readonly op?: readonly string[];
  /** A regular expression for the parameters. */
  readonly params?: RegExp;
}

/** The id `name(params)` in its two parts. */
export function splitId(id: string): { readonly name: string; readonly params: string } {
  const at = id.indexOf('(');
  return { name: id.slice(0, at), params: id.slice(at + 1, -1) };
}

/** @throws ArgumentError for an operation that nothing is called, or where nothing is left */
export function selectCases(cases: readonly OpCase[], selection: Selection): OpCase[] {
  return select(cases, selection, (c) => {
    const { name, params } = splitId(c.id);
    return { names: [c.op, name], params };
  });
}

/** @throws ArgumentError as {@link selectCases} */
export function selectWorkloads(workloads: readonly Workload[], selection: Selection): Workload[] {
  return select(workloads, selection, ({ op, params }) => ({ names: [op], params }));
}

function select<T>(
  all: readonly T[],
  { op, params }: Selection,
  of: (item: T) => { readonly names: readonly string[]; readonly params: string },
): T[] {
  for (const wanted of op ?? []) {
    if (all.some((item) => of(item).names.includes(wanted))) continue;
    const known = [...new Set(all.flatMap((item) => of(item).names))].sort().join(', ');
    throw new ArgumentError(`No operation is called "${wanted}"; there are ${known}.`);
  }
  const selected = all.filter((item) => {
    const { names, params: text } = of(item);
    return (
      (op === undefined || op.some((wanted) => names.includes(wanted))) &&
      (params === undefined || params.test(text))
    );
  });
  if (selected.length > 0) return selected;
  throw new ArgumentError(
    `No case has parameters that match ${params}; the command "list" shows them all.`,
  );
}
