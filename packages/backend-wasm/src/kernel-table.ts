import type { FusedKernels, RequiredKernels } from '@vq4dit/core';
import type { Engine } from './engine.ts';

/** Some of the contract's kernels; handles are addresses. */
export type KernelTable = Partial<RequiredKernels<number> & FusedKernels<number>>;

/** One file of `kernels/`: makes its part of the table for an engine. */
export type KernelGroup = (engine: Engine) => KernelTable;

/** The kernels that a backend must have; all others are optional. */
const REQUIRED: ReadonlySet<string> = new Set<keyof RequiredKernels<number>>([
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
]);

/** Merges groups, and tells required kernels from fused ones. */
export function mergeKernels(
  engine: Engine,
  groups: readonly KernelGroup[],
): { kernels: RequiredKernels<number>; fused: Partial<FusedKernels<number>> } {
  const table = Object.assign({}, ...groups.map((group) => group(engine)));
  const entries = Object.entries(table);
  const kernels = Object.fromEntries(entries.filter(([name]) => REQUIRED.has(name)));
  const fused = Object.fromEntries(entries.filter(([name]) => !REQUIRED.has(name)));
  return { kernels: kernels as unknown as RequiredKernels<number>, fused };
}
