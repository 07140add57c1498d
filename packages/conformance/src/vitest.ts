import type { Backend } from '@vq4dit/core';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkExpectedFailures } from './expected-failures.ts';
import { FLOOR } from './floor.ts';
import type { CaseEnvironment } from './run-case.ts';
import {
  type CaseResult,
  type ConformanceOptions,
  environmentOf,
  makeReport,
  runAndJudge,
  summaryLine,
} from './run-conformance.ts';
import { CASES } from './table.ts';

/** Options of {@link defineConformance}. */
export interface ConformanceDefinition
  extends Pick<
    ConformanceOptions,
    'tier' | 'expectedFailures' | 'flushesDenormals' | 'seed' | 'numRuns'
  > {
  /** For the test report. */
  readonly name: string;
  /** Starts the backend; called once, before all cases. It is closed after the last. */
  create(): Backend | Promise<Backend>;
}

/**
 * Defines one vitest test per case of the table, and one for the floor of required cases. A
 * backend's whole test file is a call of this.
 *
 * A failed property prints its seed and path; `VQ4DIT_TEST_SEED` and `VQ4DIT_TEST_PATH` replay it.
 */
export function defineConformance(definition: ConformanceDefinition): void {
  const options = { ...definition, path: process.env.VQ4DIT_TEST_PATH };
  const expectedFailures = definition.expectedFailures ?? [];

  describe(`conformance: ${definition.name}`, () => {
    let backend: Backend;
    let environment: CaseEnvironment;
    const results: CaseResult[] = [];

    beforeAll(async () => {
      backend = await definition.create();
      environment = environmentOf(backend, options);
    }, 120_000);

    afterAll(async () => {
      await backend?.close();
    });

    it('lists only expected failures that exist and are not required', () => {
      expect(checkExpectedFailures(expectedFailures, CASES, FLOOR)).toEqual([]);
    });

    for (const opCase of CASES) {
      it(opCase.id, async (context) => {
        const result = await runAndJudge(opCase, environment, expectedFailures);
        results.push(result);
        if (result.status === 'failed') {
          expect.fail(`${result.message}\n  replay: ${replayLine(result)}`);
        }
        if (result.status === 'unsupported') context.skip(result.message);
      });
    }

    it('passes every required case', (context) => {
      if (results.length < CASES.length) return context.skip('only some of the cases ran');
      const report = makeReport(backend, results, options);
      console.info(summaryLine(report));
      expect(report.problems).toEqual([]);
      expect(report.counts.passed).toBeGreaterThanOrEqual(FLOOR.length);
    });
  });
}

/** A command that runs one case again with the same data. */
export function replayLine({ id, seed, path }: CaseResult): string {
  const pattern = id.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
  const settings = [`VQ4DIT_TEST_SEED=${seed}`, ...(path ? [`VQ4DIT_TEST_PATH=${path}`] : [])];
  return `${settings.join(' ')} npx vitest run -t ' ${pattern}$'`;
}
