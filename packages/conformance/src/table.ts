import { BINARY_OPS, UNARY_OPS } from '@vq4dit/core';
import { FUSED_KERNELS, REQUIRED_KERNELS } from './audit.ts';
import { activationCases } from './cases/activations.ts';
import { adamwCases } from './cases/adamw.ts';
import { argminCases } from './cases/argmin.ts';
import { backendCases } from './cases/backend.ts';
import { binaryCases } from './cases/binary.ts';
import { linearCases } from './cases/linear.ts';
import { lloydStepCases } from './cases/lloyd-step.ts';
import { matmulCases } from './cases/matmul.ts';
import { modulatedLayerNormCases } from './cases/modulated-layer-norm.ts';
import { movementCases } from './cases/movement.ts';
import { nearestCases } from './cases/nearest.ts';
import { normalizationCases } from './cases/normalization.ts';
import { reduceCases } from './cases/reduce.ts';
import { refusalCases } from './cases/refusals.ts';
import { rmspropCases } from './cases/rmsprop.ts';
import { rowCases } from './cases/rows.ts';
import { selfAttentionCases } from './cases/self-attention.ts';
import { softReconstructCases } from './cases/soft-reconstruct.ts';
import { transferCases } from './cases/transfer.ts';
import { unaryCases } from './cases/unary.ts';
import type { OpCase } from './op-case.ts';

/** The one table of cases that every backend must pass. */
export const CASES: readonly OpCase[] = [
  ...backendCases,
  ...transferCases,
  ...unaryCases,
  ...binaryCases,
  ...matmulCases,
  ...reduceCases,
  ...argminCases,
  ...nearestCases,
  ...rowCases,
  ...movementCases,
  ...normalizationCases,
  ...activationCases,
  ...softReconstructCases,
  ...rmspropCases,
  ...adamwCases,
  ...linearCases,
  ...modulatedLayerNormCases,
  ...selfAttentionCases,
  ...lloydStepCases,
  ...refusalCases,
];

/** Everything that the contract asks for, as `op` or `op.variant`. */
export const CONTRACT: readonly string[] = [
  'upload',
  'reshape',
  'backend',
  ...REQUIRED_KERNELS.filter((op) => op !== 'unary' && op !== 'binary' && op !== 'reduce'),
  ...FUSED_KERNELS,
  ...UNARY_OPS.map((op) => `unary.${op}`),
  ...BINARY_OPS.map((op) => `binary.${op}`),
  'reduce.sum',
  'reduce.max',
];

/** Entries of the contract that no computing case of `cases` exercises. */
export function uncovered(cases: readonly OpCase[]): string[] {
  const names = cases
    .filter((c) => c.kind !== 'error')
    .map((c) => (c.variant === undefined ? c.op : `${c.op}.${c.variant}`));
  return CONTRACT.filter((name) => !names.includes(name));
}
