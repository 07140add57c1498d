import type { Backend, OpQuery } from '@vq4dit/core';

const REQUIRED = [
  'unary',
  'binary',
  'matmul',
  'reduce',
  'argmin',
  'gatherRows',
  'scatterAddRows',
  'permute',
  'slice',
  'concat',
  'nearest',
] as const satisfies readonly (keyof Backend['kernels'])[];

const FUSED = [
  'softmax',
  'layerNorm',
  'gelu',
  'silu',
  'softReconstruct',
  'softReconstructGrad',
  'rmspropStep',
  'linear',
  'selfAttention',
  'selfAttentionGrad',
  'modulatedLayerNorm',
  'modulatedLayerNormGrad',
  'geluGrad',
  'siluGrad',
  'adamwStep',
  'lloydStep',
] as const satisfies readonly (keyof NonNullable<Backend['fused']>)[];

/** Compile-time proof that both lists are complete. */
type Missing = Exclude<
  keyof Backend['kernels'] | keyof NonNullable<Backend['fused']>,
  (typeof REQUIRED)[number] | (typeof FUSED)[number]
>;
const complete: [Missing] extends [never] ? true : Missing = true;
void complete;

/** The names of all kernels of the contract. */
export const REQUIRED_KERNELS = REQUIRED;
/** The names of all kernels that a backend may leave out. */
export const FUSED_KERNELS = FUSED;

/** Whether core composes this operation where a backend has no kernel for it. */
export const isOptional = (op: string): boolean => (FUSED as readonly string[]).includes(op);

/** Kernels with more than one output; all others return one handle. */
export const MULTIPLE_OUTPUTS = new Set<string>([
  'nearest',
  'softReconstructGrad',
  'rmspropStep',
  'modulatedLayerNormGrad',
  'adamwStep',
  'lloydStep',
]);

/** What happened on the way to the backend since the audit began. */
export interface Audit {
  readonly backend: Backend;
  readonly calls: string[];
  /** Reasons with which `supports` refused. */
  readonly refusals: { readonly query: OpQuery; readonly reason: string }[];
  /** Handles that a kernel returned although it was given them. */
  readonly aliases: string[];
}

type Kernel = (...args: unknown[]) => unknown;

/** The same backend, watched. */
export function audit(backend: Backend): Audit {
  const calls: string[] = [];
  const refusals: { query: OpQuery; reason: string }[] = [];
  const aliases: string[] = [];

  const watch = (owner: object, names: readonly string[]) => {
    const kernels = owner as Record<string, Kernel | undefined>;
    const watched: Record<string, Kernel> = {};
    for (const name of names) {
      if (kernels[name] === undefined) continue;
      watched[name] = (...args) => {
        calls.push(name);
        const result = kernels[name]!(...args);
        const given = new Set(args.flatMap(handlesOf));
        const made = MULTIPLE_OUTPUTS.has(name) ? Object.values(result as object) : [result];
        if (made.some((handle) => given.has(handle)) || new Set(made).size < made.length) {
          aliases.push(name);
        }
        return result;
      };
    }
    return watched;
  };

  return {
    calls,
    refusals,
    aliases,
    backend: {
      id: backend.id,
      info: () => backend.info(),
      supports(query) {
        const answer = backend.supports?.(query) ?? true;
        if (answer !== true) refusals.push({ query, reason: answer.reason });
        return answer;
      },
      upload: (data, shape, dtype) => backend.upload(data, shape, dtype),
      read: (x) => backend.read(x),
      free: (handle) => backend.free(handle),
      sync: () => backend.sync(),
      ...(backend.liveBuffers ? { liveBuffers: () => backend.liveBuffers!() } : {}),
      close: () => backend.close(),
      kernels: watch(backend.kernels, REQUIRED) as unknown as Backend['kernels'],
      ...(backend.fused ? { fused: watch(backend.fused, FUSED) as Backend['fused'] } : {}),
    } as Backend,
  };
}

/** Of a tensor, or of all tensors in lists and objects: packed weights and epilogues hold some. */
function handlesOf(argument: unknown): unknown[] {
  if (Array.isArray(argument)) return argument.flatMap(handlesOf);
  if (typeof argument !== 'object' || argument === null) return [];
  if ('handle' in argument) return [argument.handle];
  return Object.values(argument).flatMap(handlesOf);
}
