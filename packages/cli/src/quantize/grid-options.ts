import type { UniformOptions } from '@vq4dit/core';

/** How the grids of a method are made. */
export interface GridSettings extends Omit<UniformOptions, 'bits'> {
  /** Part of the mean of the Hessian's diagonal that is added to it, where the method has one. */
  readonly damping?: number;
  /** Columns in the order of falling importance, where the method goes column by column. */
  readonly actOrder?: boolean;
}

/** Neighbouring weights of a group where nothing is said. */
const GROUP_SIZE = 128;

/** Methods that round to uniform grids, and what they do where nothing is said. */
export const GRID_DEFAULTS = {
  uniform: { granularity: 'channel', clipping: 'min-max' },
  gptq: { granularity: 'group', groupSize: GROUP_SIZE, clipping: 'min-max', damping: 0.01 },
  qdit: { granularity: 'group', groupSize: GROUP_SIZE, clipping: 'min-max', damping: 0.01 },
  repq: { granularity: 'channel', clipping: 'mse' },
} as const satisfies Record<string, GridSettings>;
/** One of them. */
export type GridMethod = keyof typeof GRID_DEFAULTS;
/** Options of the command line that say how grids are made, as far as they were given. */
export interface GridFlags {
  granularity?: GridSettings['granularity'];
  groupSize?: number;
  clipping?: NonNullable<GridSettings['clipping']>;
  damping?: number;
  actOrder?: boolean;
}

const SHARED = ['granularity', 'groupSize', 'clipping'] as const;
/** Which of them a method takes. */
export const GRID_FLAGS: Readonly<Record<GridMethod, readonly (keyof GridFlags)[]>> = {
  uniform: SHARED,
  gptq: [...SHARED, 'damping', 'actOrder'],
  // Q-DiT has groups by its nature; the group size is that of the budget.
  qdit: ['groupSize', 'clipping', 'damping', 'actOrder'],
  repq: SHARED,
};

/** Whether a method rounds to uniform grids. */
export function isGridMethod(method: string): method is GridMethod {
  return Object.hasOwn(GRID_DEFAULTS, method);
}

/** The grid of a method, with what was given in place of its defaults. */
export function gridSettings(method: GridMethod, flags: GridFlags): GridSettings {
  const defaults: GridSettings = GRID_DEFAULTS[method];
  const granularity =
    flags.granularity ?? (flags.groupSize === undefined ? defaults.granularity : 'group');
  const groupSize = flags.groupSize ?? defaults.groupSize ?? GROUP_SIZE;
  const damping = flags.damping ?? defaults.damping;
  return {
    granularity,
    ...(granularity === 'group' && { groupSize }),
    clipping: flags.clipping ?? defaults.clipping ?? 'min-max',
    ...(damping !== undefined && { damping }),
    ...(flags.actOrder && { actOrder: true }),
  };
}

/** Options of a quantizer; a group size takes the place of that of the settings. */
export function gridOptions(
  { bits, grid }: { readonly bits: number; readonly grid?: GridSettings },
  groupSize?: number,
): GridSettings & UniformOptions {
  const options = { bits, ...(grid as GridSettings) };
  return groupSize === undefined ? options : { ...options, groupSize };
}
