import type { FusedKernels, RandomStream } from '@vq4dit/core';
import type * as fc from 'fast-check';
import type { OpCase, Trial } from './op-case.ts';

type FusedOp = keyof FusedKernels<unknown>;

/** A composed operation's case, held against its formula in float64. */
export type Draft =
  | { op: FusedOp; id: string; trial: (rng: RandomStream) => Trial }
  | { op: FusedOp; id: string; trials: fc.Arbitrary<Trial> };

/**
 * The case twice: as the backend does it (by a fused kernel where it has one), and composed by core
 * from the required kernels.
 */
export function bothWays(draft: Draft): OpCase[] {
  const { op } = draft;
  const make = (id: string, fused: boolean): OpCase =>
    'trials' in draft
      ? { kind: 'property', op, id, fused, trials: draft.trials }
      : { kind: 'value', op, id, fused, trial: draft.trial };
  return [make(draft.id, true), make(draft.id.replace(/\)$/, ',composed)'), false)];
}
