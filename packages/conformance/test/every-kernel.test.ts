import type { Values } from '@vq4dit/backend-reference';
import type { Backend, RequiredKernels } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { CASES, REQUIRED_KERNELS, runConformance } from '../src/index.ts';
import { failed } from './support/catches.ts';
import { type Kernels, mutant } from './support/mutant.ts';

/** The same faults in every required kernel: whichever has one, a case of that kernel finds it. */

type Name = keyof RequiredKernels<unknown>;
type Call = (...args: unknown[]) => unknown;

/** What a faulty kernel does after the right one has made its outputs. */
type Fault = (
  original: Backend<Values>,
  given: readonly Values[],
  outputs: readonly Values[],
) => void;

const FAULTS: readonly { name: string; message: RegExp; fault: Fault }[] = [
  {
    name: 'gives a wrong last element',
    message: /differ: |is named twice|not sorted/,
    fault: (_, _given, outputs) => {
      for (const values of outputs) {
        const last = values.length - 1;
        values[last] = values[last]! + 1;
      }
    },
  },
  {
    name: 'changes its input',
    message: /input \d was changed/,
    fault: (_, [first]) => {
      first![0] = Number.isFinite(first![0]) ? first![0]! + 1 : 7;
    },
  },
  {
    name: 'keeps a buffer',
    message: /buffers are alive after the case/,
    fault: (original) => {
      original.upload(new Float32Array(1), [1], 'float32');
    },
  },
];

/** The reference with a fault in one kernel. */
function faulty(name: Name, fault: Fault): () => Backend<Values> {
  return mutant((original) => {
    const kernel = original.kernels[name] as Call;
    const broken: Call = (...args) => {
      const result = kernel(...args);
      const outputs = name === 'nearest' ? Object.values(result as object) : [result];
      fault(original, args.flat().flatMap(handleOf), outputs as Values[]);
      return result;
    };
    return { kernels: { [name]: broken } as Partial<Kernels> };
  });
}

function handleOf(argument: unknown): Values[] {
  const has = typeof argument === 'object' && argument !== null && 'handle' in argument;
  return has ? [argument.handle as Values] : [];
}

describe.each(REQUIRED_KERNELS)('%s', (kernel) => {
  it.each(FAULTS)('$name: found', async ({ message, fault }) => {
    const cases = CASES.filter((c) => c.op === kernel && c.kind !== 'error');
    const report = await runConformance(faulty(kernel, fault), { cases, numRuns: 2 });
    const failures = failed(report);
    expect(report.ok).toBe(false);
    // Not by one lucky case: by nine out of ten, and each with the reason.
    expect(failures.size).toBeGreaterThan(0.9 * cases.length);
    const apt = [...failures.values()].filter((text) => message.test(text));
    expect(apt.length).toBeGreaterThan(0.9 * failures.size);
  });
});
