import type { RandomStream } from '@vq4dit/core';
import { activationGradTrial, activationTrial } from '../cases/activations.ts';
import {
  modulatedLayerNormGradTrial,
  modulatedLayerNormTrial,
} from '../cases/modulated-layer-norm.ts';
import { layerNormTrial, softmaxTrial } from '../cases/normalization.ts';
import { gaussian, uniform } from '../host-tensor.ts';
import { caseId, type Trial } from '../op-case.ts';
import { bytesOf, fullyJudged, type Workload } from './workload.ts';

/** Whose work is to move data: `streams` counts how often all of it is read or written. */
function streaming(
  op: Workload['op'],
  shape: readonly number[],
  streams: number,
  trial: (rng: RandomStream) => Trial,
): Workload {
  const size = shape.reduce((a, b) => a * b, 1);
  return {
    op,
    params: caseId('', { shape }).slice(1, -1),
    bytes: streams * bytesOf(size),
    make: (rng) => fullyJudged(trial(rng)),
  };
}

const EPSILON = 1e-6;
const TOKENS = [1, 256, 1152];
const HIDDEN = [256, 4608];

/** The row-wise and elementwise parts of a block of DiT-XL/2. */
export const rowWorkloads: readonly Workload[] = [
  streaming('layerNorm', [256, 1152], 2, (rng) =>
    layerNormTrial(gaussian(rng, [256, 1152]), EPSILON),
  ),
  streaming('layerNorm', [1024, 1152], 2, (rng) =>
    layerNormTrial(gaussian(rng, [1024, 1152]), EPSILON),
  ),
  streaming('modulatedLayerNorm', TOKENS, 2, (rng) =>
    modulatedLayerNormTrial(
      gaussian(rng, TOKENS),
      gaussian(rng, [1, 1152]),
      gaussian(rng, [1, 1152]),
      EPSILON,
    ),
  ),
  streaming('modulatedLayerNormGrad', TOKENS, 3, (rng) =>
    modulatedLayerNormGradTrial(
      gaussian(rng, TOKENS),
      gaussian(rng, [1, 1152]),
      gaussian(rng, TOKENS),
      EPSILON,
      'gaussian',
    ),
  ),
  streaming('softmax', [4096, 256], 2, (rng) => softmaxTrial(uniform(rng, [4096, 256], -6, 6))),
  streaming('gelu', HIDDEN, 2, (rng) => activationTrial('gelu', uniform(rng, HIDDEN, -5, 5))),
  streaming('geluGrad', HIDDEN, 3, (rng) =>
    activationGradTrial('gelu', uniform(rng, HIDDEN, -5, 5), gaussian(rng, HIDDEN)),
  ),
  streaming('silu', HIDDEN, 2, (rng) => activationTrial('silu', uniform(rng, HIDDEN, -5, 5))),
  streaming('siluGrad', HIDDEN, 3, (rng) =>
    activationGradTrial('silu', uniform(rng, HIDDEN, -5, 5), gaussian(rng, HIDDEN)),
  ),
];
