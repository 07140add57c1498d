import { type Backend, RandomStream } from '@vq4dit/core';
import fc from 'fast-check';
import type { Limits } from './limits.ts';
import type { ErrorCase, OpCase, PropertyCase } from './op-case.ts';
import { Refusal, runTrial, upload, withBench } from './run-trial.ts';

/** Where and how cases run. */
export interface CaseEnvironment {
  readonly backend: Backend;
  readonly limits: Limits;
  /** Of all random data. */
  readonly seed: number;
  /** Computations per property. */
  readonly numRuns: number;
  /** fast-check's path of one failed computation, to replay it alone. */
  readonly path?: string | undefined;
}

/** What became of one case, before expected failures are taken into account. */
export type Outcome =
  | { readonly status: 'passed' }
  | { readonly status: 'failed'; readonly message: string; readonly path?: string | undefined }
  | { readonly status: 'unsupported'; readonly message: string };

/** Runs one case. Never throws: whatever goes wrong is the case's failure. */
export async function runCase(opCase: OpCase, environment: CaseEnvironment): Promise<Outcome> {
  try {
    if (opCase.kind === 'property') return await runProperty(opCase, environment);
    const message = await runOnce(opCase, environment);
    return message === undefined ? { status: 'passed' } : { status: 'failed', message };
  } catch (error) {
    if (error instanceof Refusal) return { status: 'unsupported', message: error.message };
    return { status: 'failed', message: `threw ${error}` };
  }
}

async function runOnce(
  opCase: Exclude<OpCase, PropertyCase>,
  { backend, limits, seed }: CaseEnvironment,
): Promise<string | undefined> {
  switch (opCase.kind) {
    case 'value': {
      const trial = opCase.trial(new RandomStream(seed, opCase.id));
      return runTrial(backend, trial, limits, { fused: opCase.fused ?? true });
    }
    case 'check':
      return withBench(backend, {}, ({ watch, ops }) =>
        opCase.check({ backend, ops, limits, kernelCalls: () => watch.calls.length }),
      );
    case 'error':
      return runError(opCase, backend);
  }
}

/** The call must fail with the right error, before a kernel runs, and leave nothing behind. */
function runError(opCase: ErrorCase, backend: Backend): Promise<string | undefined> {
  return withBench(backend, {}, async ({ watch, ops }) => {
    const inputs = opCase.inputs.map((input) => upload(ops, input));
    const expected = `${opCase.error.name} matching ${opCase.message}`;
    try {
      await opCase.run(ops, inputs);
      return `nothing was thrown, expected ${expected}`;
    } catch (error) {
      const isRight = error instanceof opCase.error && opCase.message.test(error.message);
      if (!isRight) return `threw ${error}, expected ${expected}`;
    } finally {
      for (const x of inputs) if (!x.disposed) x.dispose();
    }
    return watch.calls.length > 0 ? `the kernel ${watch.calls[0]} ran first` : undefined;
  });
}

async function runProperty(
  opCase: PropertyCase,
  { backend, limits, seed, numRuns, path }: CaseEnvironment,
): Promise<Outcome> {
  let refusal: Refusal | undefined;
  let ran = 0;
  const property = fc.asyncProperty(opCase.trials, async (trial) => {
    try {
      const problem = await runTrial(backend, trial, limits, { fused: opCase.fused ?? true });
      ran++;
      if (problem !== undefined) throw new Error(`${trial.description ?? ''} ${problem}`.trim());
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      refusal = error;
    }
  });
  const details = await fc.check(property, {
    seed,
    numRuns,
    endOnFailure: false,
    ...(path === undefined ? {} : { path }),
  });
  if (details.failed) {
    const { errorInstance, counterexamplePath } = details;
    const message = errorInstance instanceof Error ? errorInstance.message : String(errorInstance);
    return { status: 'failed', message, path: counterexamplePath ?? undefined };
  }
  if (ran === 0 && refusal) return { status: 'unsupported', message: refusal.message };
  return { status: 'passed' };
}
