import { createReferenceBackend } from '@vq4dit/backend-reference';
import type { DeclaredBackend } from '../../src/backend-module.ts';
import { mutant } from './mutant.ts';

/** Backends for the tests of the command line, which finds them by the name of this module. */

export const createGood = () => createReferenceBackend();

/** argmin gives the last column. */
export const createBroken = mutant(({ kernels }) => ({
  kernels: { argmin: (x) => kernels.argmin(x).fill(x.shape[1]! - 1) },
}));

/** Every product is a thousandth too large. */
export const createInexact = mutant(({ kernels }) => ({
  kernels: {
    matmul: (a, b, ta, tb) => kernels.matmul(a, b, ta, tb).map((v) => v * 1.001),
  },
}));

/** Has a kernel for GELU, but for small tensors only; and refuses large products. */
export const createPicky = mutant(({ kernels }) => ({
  fused: { gelu: (x) => kernels.unary('neg', x) },
  supports({ op, shapes }) {
    if (op === 'gelu' && shapes[0]!.length > 1) return { reason: 'vectors only' };
    if (op === 'matmul' && shapes[0]!.at(-2)! > 300) return { reason: 'more than 300 rows' };
    return true;
  },
}));

export const createDead = () => {
  throw new Error('the driver is missing');
};

export const createNothing = () => 3;

export const notABackend = { id: 'x' };

/** With a deviation that is declared. */
export const vq4ditBackend: DeclaredBackend = {
  id: 'declared',
  description: 'argmin gives the last column, and says so',
  priority: 0,
  create: async () => createBroken(),
  conformance: {
    expectedFailures: [{ case: 'argmin(infinite)', reason: 'the last index wins' }],
  },
};
