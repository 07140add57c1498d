import type { OpCase } from './op-case.ts';
import type { Outcome } from './run-case.ts';

/** A known deviation of a backend, kept beside that backend. */
export interface ExpectedFailure {
  /** A case id, or a pattern in which `*` stands for any text. Each case it names must fail. */
  readonly case: string;
  /** Why, in a sentence that can stand in a table of limitations. */
  readonly reason: string;
  /** Where it is followed up. */
  readonly issue?: string;
  /** The failure's message must match; without it any failure will do. */
  readonly messageMatches?: RegExp;
}

export function matchesPattern(id: string, pattern: string): boolean {
  const literal = pattern.split('*').map((part) => part.replace(/[.+?^${}()|[\]\\]/g, '\\$&'));
  return new RegExp(`^${literal.join('.*')}$`, 's').test(id);
}

/** What is wrong with a list of expected failures, whatever the backend does. */
export function checkExpectedFailures(
  list: readonly ExpectedFailure[],
  cases: readonly OpCase[],
  floor: readonly string[],
): string[] {
  return list.flatMap((entry) => {
    const named = cases.filter((c) => matchesPattern(c.id, entry.case));
    if (named.length === 0) return [`expected failure "${entry.case}" names no case`];
    if (!entry.reason.trim()) return [`expected failure "${entry.case}" has no reason`];
    return named
      .filter((c) => floor.includes(c.id))
      .map((c) => `expected failure "${entry.case}" names ${c.id}, which every backend must pass`);
  });
}

/** The final status of a case. */
export type CaseStatus = 'passed' | 'expected-fail' | 'unsupported' | 'failed';

/** A case's outcome seen with the backend's expected failures and the floor. */
export function judge(
  id: string,
  outcome: Outcome,
  expectedFailures: readonly ExpectedFailure[],
  isRequired: boolean,
): { status: CaseStatus; message?: string } {
  const entry = expectedFailures.find((e) => matchesPattern(id, e.case));
  if (isRequired && outcome.status === 'unsupported') {
    return { status: 'failed', message: `required of every backend, refused: ${outcome.message}` };
  }
  if (outcome.status === 'unsupported') return outcome;
  if (entry === undefined || isRequired) return outcome;
  if (outcome.status === 'passed') {
    const message = `passes, but is listed as an expected failure ("${entry.case}"): remove it from the list`;
    return { status: 'failed', message };
  }
  if (entry.messageMatches && !entry.messageMatches.test(outcome.message)) {
    const message = `fails otherwise than expected (${entry.messageMatches}): ${outcome.message}`;
    return { status: 'failed', message };
  }
  return { status: 'expected-fail', message: `${entry.reason} (${outcome.message})` };
}
