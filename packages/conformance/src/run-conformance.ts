import type { Backend, PrecisionTier } from '@vq4dit/core';
import fc from 'fast-check';
import {
  type CaseStatus,
  checkExpectedFailures,
  type ExpectedFailure,
  judge,
  matchesPattern,
} from './expected-failures.ts';
import { FLOOR } from './floor.ts';
import { limitsOf } from './limits.ts';
import type { OpCase } from './op-case.ts';
import { type CaseEnvironment, runCase } from './run-case.ts';
import { CASES } from './table.ts';

/** Options of {@link runConformance}; all but the first few are for replaying and for tests. */
export interface ConformanceOptions {
  /** The tier that the backend must declare; default: the one it does declare. */
  readonly tier?: PrecisionTier;
  readonly expectedFailures?: readonly ExpectedFailure[];
  /** The backend declares that denormal numbers become zero. */
  readonly flushesDenormals?: boolean;
  /** Of all random data; default: fast-check's global seed. */
  readonly seed?: number;
  /** Computations per property; default 20. */
  readonly numRuns?: number;
  /** Only cases whose id matches (`*` is any text); the floor is then not demanded. */
  readonly only?: string;
  /** fast-check's path of one failed computation, together with `only` and `seed`. */
  readonly path?: string | undefined;
  /** Instead of the whole table; the floor is then not demanded. */
  readonly cases?: readonly OpCase[];
  /** Called after each case. */
  readonly onResult?: (result: CaseResult) => void;
}

/** One row of a {@link Report}. */
export interface CaseResult {
  readonly id: string;
  readonly op: string;
  readonly status: CaseStatus;
  /** Why it failed, was refused or was expected to fail. */
  readonly message?: string;
  readonly seed: number;
  /** fast-check's path, for a property that failed. */
  readonly path?: string;
}

/** What a backend passed. */
export interface Report {
  readonly backend: string;
  readonly device: string;
  readonly tier: PrecisionTier;
  readonly results: readonly CaseResult[];
  readonly counts: Readonly<Record<CaseStatus, number>>;
  /** Faults of the run itself: unknown expected failures, required cases that did not pass. */
  readonly problems: readonly string[];
  /** True if no case failed and there are no problems. */
  readonly ok: boolean;
}

/** The environment that the options ask for. */
export function environmentOf(backend: Backend, options: ConformanceOptions): CaseEnvironment {
  const globalSeed = fc.readConfigureGlobal().seed;
  return {
    backend,
    limits: limitsOf(options.tier ?? backend.info().precision, options.flushesDenormals),
    // RandomStream takes seeds from 0; fast-check's may be negative.
    seed: (options.seed ?? globalSeed ?? 0) >>> 0,
    numRuns: options.numRuns ?? 20,
    path: options.path,
  };
}

/** Runs one case and judges it; never throws. */
export async function runAndJudge(
  opCase: OpCase,
  environment: CaseEnvironment,
  expectedFailures: readonly ExpectedFailure[],
): Promise<CaseResult> {
  const outcome = await runCase(opCase, environment);
  const verdict = judge(opCase.id, outcome, expectedFailures, FLOOR.includes(opCase.id));
  const path = outcome.status === 'failed' ? outcome.path : undefined;
  return {
    id: opCase.id,
    op: opCase.op,
    status: verdict.status,
    seed: environment.seed,
    ...(verdict.message === undefined ? {} : { message: verdict.message }),
    ...(path === undefined ? {} : { path }),
  };
}

/** Counts results and finds what a run as a whole lacks. */
export function makeReport(
  backend: Backend,
  results: readonly CaseResult[],
  options: ConformanceOptions,
): Report {
  const counts = { passed: 0, 'expected-fail': 0, unsupported: 0, failed: 0 };
  for (const { status } of results) counts[status]++;
  const cases = options.cases ?? CASES;
  const isWhole = options.only === undefined && options.cases === undefined;
  const problems = isWhole
    ? checkExpectedFailures(options.expectedFailures ?? [], cases, FLOOR)
    : [];
  const { device, precision } = backend.info();
  if (options.tier !== undefined && options.tier !== precision) {
    problems.push(`the backend declares precision ${precision}, not ${options.tier}`);
  }
  if (isWhole) {
    const passed = new Set(results.filter((r) => r.status === 'passed').map((r) => r.id));
    for (const id of FLOOR) {
      if (!passed.has(id)) problems.push(`required case ${id} did not pass`);
    }
  }
  if (results.length === 0) problems.push('no case ran');
  const ok = counts.failed === 0 && problems.length === 0;
  return {
    backend: backend.id,
    device,
    tier: options.tier ?? precision,
    results,
    counts,
    problems,
    ok,
  };
}

/**
 * Starts a backend, runs the table of cases on it and closes it. Failing cases are in the report;
 * only a backend that cannot be started throws.
 */
export async function runConformance(
  createBackend: () => Backend | Promise<Backend>,
  options: ConformanceOptions = {},
): Promise<Report> {
  const backend = await createBackend();
  try {
    const environment = environmentOf(backend, options);
    const results: CaseResult[] = [];
    for (const opCase of options.cases ?? CASES) {
      if (options.only !== undefined && !matchesPattern(opCase.id, options.only)) continue;
      const result = await runAndJudge(opCase, environment, options.expectedFailures ?? []);
      results.push(result);
      options.onResult?.(result);
    }
    return makeReport(backend, results, options);
  } finally {
    await backend.close();
  }
}

/** The counts in one line. */
export function summaryLine(report: Report): string {
  const { passed, failed, unsupported } = report.counts;
  return (
    `${report.backend} (${report.tier}, ${report.device}): ${passed} passed, ` +
    `${report.counts['expected-fail']} expected failures, ${unsupported} unsupported, ${failed} failed`
  );
}
