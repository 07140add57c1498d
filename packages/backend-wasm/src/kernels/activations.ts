import { type KernelTensor, sizeOf } from '@vq4dit/core';
import type { KernelGroup } from '../kernel-table.ts';

/** Elements per chunk, a multiple of 16: enough that taking a chunk costs nothing beside it. */
const CHUNK = 8192;

/** GELU, SiLU and their gradients. */
export const activationKernels: KernelGroup = (engine) => {
  const elementwise = (kernel: string, inputs: readonly KernelTensor<number>[]) => {
    const count = sizeOf(inputs[0]!.shape);
    const out = engine.allocate(4 * count);
    const handles = inputs.map(({ handle }) => handle);
    engine.run(kernel, [...handles, out, count, CHUNK], Math.ceil(count / CHUNK));
    return out;
  };
  return {
    gelu: (x) => elementwise('gelu', [x]),
    silu: (x) => elementwise('silu', [x]),
    geluGrad: (x, grad) => elementwise('geluGrad', [x, grad]),
    siluGrad: (x, grad) => elementwise('siluGrad', [x, grad]),
  };
};
