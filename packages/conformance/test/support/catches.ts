import type { Values } from '@vq4dit/backend-reference';
import type { Backend } from '@vq4dit/core';
import { expect, it } from 'vitest';
import { CASES, type CaseOp, type Report, runConformance } from '../../src/index.ts';
import { type Mutation, mutant } from './mutant.ts';

/** Runs the cases of some operations. */
export const runOps = (
  create: () => Backend,
  ops: readonly CaseOp[],
  options = {},
): Promise<Report> =>
  runConformance(create, { ...options, cases: CASES.filter((c) => ops.includes(c.op)) });

/** The cases that failed, and why. */
export const failed = (report: Report) =>
  new Map(report.results.filter((r) => r.status === 'failed').map((r) => [r.id, r.message ?? '']));

/** Runs the cases of `ops` and expects each of `caught` to fail, with a message that says why. */
export function catches(
  fault: string,
  ops: readonly CaseOp[],
  caught: readonly string[],
  mutate: (original: Backend<Values>) => Mutation,
  message = /differ: /,
) {
  it(fault, async () => {
    const report = await runOps(mutant(mutate), ops);
    const failures = failed(report);
    expect(report.ok).toBe(false);
    for (const id of caught) {
      expect([...failures.keys()]).toContain(id);
      expect(failures.get(id)).toMatch(message);
    }
  });
}
