import { createReferenceBackend, type Values } from '@vq4dit/backend-reference';
import type { Backend, KernelTensor } from '@vq4dit/core';

export type Kernels = Backend<Values>['kernels'];
export type Fused = NonNullable<Backend<Values>['fused']>;
export type Input = KernelTensor<Values>;

/** What a mutant does otherwise than the reference backend, which it can still call. */
export interface Mutation extends Partial<Omit<Backend<Values>, 'kernels' | 'fused'>> {
  readonly kernels?: Partial<Kernels>;
  readonly fused?: Fused;
}

/** The reference backend with a fault. */
export function mutant(mutate: (original: Backend<Values>) => Mutation): () => Backend<Values> {
  return () => {
    const original = createReferenceBackend();
    const { kernels, ...rest } = mutate(original);
    return { ...original, ...rest, kernels: { ...original.kernels, ...kernels } };
  };
}

/** The same tensor with other values. */
export const withValues = (x: Input, handle: Values): Input => ({ ...x, handle });

/**
 * Rounds to the 11 significant bits of TF32 and of half precision, to nearest, ties to even
 * (Veltkamp's splitting in float64).
 */
export function to11Bits(x: number): number {
  const spread = x * (2 ** 42 + 1);
  return Number.isFinite(spread) ? spread - (spread - x) : x;
}

/** A copy as TF32. */
export const asTf32 = (x: Input): Input =>
  withValues(
    x,
    Float32Array.from(x.handle, (v) => to11Bits(v)),
  );
