import type { KernelGroup } from '../kernel-table.ts';
import { activationKernels } from './activations.ts';
import { attentionKernels } from './attention.ts';
import { elementwiseKernels } from './elementwise.ts';
import { layerNormKernels } from './layer-norm.ts';
import { linearKernels } from './linear.ts';
import { matmulKernels } from './matmul.ts';
import { movementKernels } from './movement.ts';
import { nearestKernels } from './nearest.ts';
import { optimizerKernels } from './optimizer.ts';
import { reduceKernels } from './reduce.ts';
import { softReconstructKernels } from './soft-reconstruct.ts';
import { softmaxKernels } from './softmax.ts';

/** Every file of kernels: one line to import it, one to list it. */
export const KERNEL_GROUPS: readonly KernelGroup[] = [
  activationKernels,
  attentionKernels,
  layerNormKernels,
  linearKernels,
  matmulKernels,
  optimizerKernels,
  softmaxKernels,
  elementwiseKernels,
  movementKernels,
  reduceKernels,
  nearestKernels,
  softReconstructKernels,
];
