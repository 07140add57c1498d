import { createReferenceBackend } from '@vq4dit/backend-reference';
import { describe, expect, it } from 'vitest';
import {
  CASES,
  CONTRACT,
  checkExpectedFailures,
  equal,
  FLOOR,
  floats,
  type OpCase,
  runConformance,
  summaryLine,
  uncovered,
} from '../src/index.ts';
import { replayLine } from '../src/vitest.ts';
import { mutant } from './support/mutant.ts';

const named = (...ids: string[]) => CASES.filter((c) => ids.includes(c.id));
const reference = () => createReferenceBackend();
/** Fails all cases of argmin that have more than one element in a row. */
const broken = mutant(({ kernels }) => ({
  kernels: { argmin: (x) => kernels.argmin(x).fill(x.shape[1]! - 1) },
}));

describe('the table', () => {
  it('has no two cases of one id', () => {
    const ids = CASES.map((c) => c.id);
    expect(ids.filter((id, i) => ids.indexOf(id) !== i)).toEqual([]);
  });

  it('has a case for everything in the contract, and would notice one missing', () => {
    expect(uncovered(CASES)).toEqual([]);
    expect(uncovered(CASES.filter((c) => c.variant !== 'tanh'))).toEqual(['unary.tanh']);
    expect(uncovered([])).toEqual(CONTRACT);
  });

  it('has a property for every kernel', () => {
    const withProperty = CASES.filter((c) => c.kind === 'property').map((c) => c.variant ?? c.op);
    const names = CONTRACT.map((name) => name.split('.').at(-1)!);
    const without = names.filter((name) => !withProperty.includes(name as never));
    expect(without).toEqual(['reshape', 'backend']);
  });

  it('contains the whole floor, which names every entry of the contract', () => {
    const required = CASES.filter((c) => FLOOR.includes(c.id));
    expect(required.map((c) => c.id).sort()).toEqual([...FLOOR].sort());
    expect(uncovered(required)).toEqual([]);
  });
});

describe('a run', () => {
  it('passes the float64 oracle as well: the formulas of composed operations agree', async () => {
    const report = await runConformance(() => createReferenceBackend({ storage: 'float64' }), {
      numRuns: 5,
    });
    expect(report.results.filter((r) => r.status !== 'passed')).toEqual([]);
    expect(report.ok).toBe(true);
    expect(report.tier).toBe('f64');
    expect(report.counts.passed).toBe(CASES.length);
  });

  it('does not pass with nothing', async () => {
    const report = await runConformance(reference, { only: 'no such case' });
    expect(report.ok).toBe(false);
    expect(report.problems).toEqual(['no case ran']);
  });

  it('counts, names the device and closes the backend', async () => {
    let closed = 0;
    const seen: string[] = [];
    const report = await runConformance(
      mutant(() => ({ close: async () => void closed++ })),
      { only: 'argmin(t*', onResult: ({ id }) => seen.push(id) },
    );
    expect(report.results.map((r) => r.id)).toEqual(['argmin(ties)', 'argmin(tiesFarApart)']);
    expect(seen).toEqual(['argmin(ties)', 'argmin(tiesFarApart)']);
    expect(report.counts).toEqual({ passed: 2, 'expected-fail': 0, unsupported: 0, failed: 0 });
    expect(summaryLine(report)).toMatch(/^reference \(f32, .*\): 2 passed, 0 expected failures/);
    expect(closed).toBe(1);
  });

  it('draws the same data for the same seed, and other data for another', async () => {
    const drawn: number[][] = [];
    const spy: OpCase = {
      kind: 'value',
      op: 'upload',
      id: 'spy',
      trial(rng) {
        const x = floats([4], () => rng.normal());
        drawn.push([...x.data]);
        return {
          inputs: [x],
          run: (o, [t]) => [o.alias(t!)],
          expected: () => [{ ...x, values: x.data, compare: equal }],
        };
      },
    };
    for (const seed of [1, 1, 2]) await runConformance(reference, { cases: [spy], seed });
    expect(drawn[0]).toEqual(drawn[1]);
    expect(drawn[0]).not.toEqual(drawn[2]);
  });

  it('says how to replay a failed property, and the replay fails alike at once', async () => {
    const cases = named('argmin(property)');
    const [first] = (await runConformance(broken, { cases, seed: 7 })).results;
    expect(first).toMatchObject({ status: 'failed', seed: 7 });
    expect(first!.message).toMatch(/^argmin of \d+x\d+ \[.*differ/);
    expect(first!.path).toMatch(/^\d+(:\d+)*$/);
    const options = { cases, seed: 7, path: first!.path, numRuns: 1 };
    const [again] = (await runConformance(broken, options)).results;
    expect(again!.message).toBe(first!.message);
    expect(replayLine(first!)).toBe(
      `VQ4DIT_TEST_SEED=7 VQ4DIT_TEST_PATH=${first!.path} npx vitest run -t ' argmin\\(property\\)$'`,
    );
  });
});

describe('expected failures', () => {
  const reason = 'the last index wins';
  const cases = named('argmin(ties)', 'argmin(lastElement)', 'argmin(infinite)');

  it('are counted as such when they fail', async () => {
    const report = await runConformance(broken, {
      cases: named('argmin(infinite)', 'argmin(signedZeros)'),
      expectedFailures: [{ case: 'argmin(infinite)', reason, messageMatches: /got 2, expected 1/ }],
    });
    expect(report.counts).toMatchObject({ failed: 1, 'expected-fail': 1 });
    const [listed] = report.results.filter((r) => r.status === 'expected-fail');
    expect(listed!.message).toMatch(/^the last index wins \(/);
  });

  it('fail the run when they pass', async () => {
    const report = await runConformance(reference, {
      cases,
      expectedFailures: [{ case: 'argmin(infinite)', reason }],
    });
    expect(report.ok).toBe(false);
    expect(report.results.find((r) => r.status === 'failed')).toMatchObject({
      id: 'argmin(infinite)',
      message: expect.stringMatching(/passes, but is listed as an expected failure/),
    });
  });

  it('fail the run when they fail for another reason', async () => {
    const report = await runConformance(broken, {
      cases: named('argmin(infinite)'),
      expectedFailures: [{ case: 'argmin(infinite)', reason, messageMatches: /out of memory/ }],
    });
    expect(report.results[0]).toMatchObject({
      status: 'failed',
      message: expect.stringMatching(/otherwise than expected/),
    });
  });

  it('cannot excuse a required case', async () => {
    const report = await runConformance(broken, {
      cases,
      expectedFailures: [{ case: 'argmin(*', reason }],
    });
    expect(report.results.find((r) => r.id === 'argmin(ties)')?.status).toBe('failed');
  });

  it('must name existing cases by id or pattern, with a reason, and none of the floor', () => {
    const check = (...list: Parameters<typeof checkExpectedFailures>[0]) =>
      checkExpectedFailures(list, CASES, FLOOR);
    expect(check({ case: 'argmin(infinite)', reason })).toEqual([]);
    expect(check({ case: 'permute(shape=2x3x2*', reason })).toEqual([]);
    expect(check({ case: 'argmin', reason })).toEqual(['expected failure "argmin" names no case']);
    expect(check({ case: 'argmin(.*)', reason })[0]).toMatch(/names no case/);
    expect(check({ case: 'argmin(infinite)', reason: '' })[0]).toMatch(/has no reason/);
    expect(check({ case: 'argmin(tie*', reason })[0]).toMatch(/every backend must pass/);
  });
});
