import type { UniformOptions, UniformWeight } from '@vq4dit/core';
import type { QuantizeJob } from './job.ts';
import type { LayerPlan } from './layers.ts';
import type { GridSettings, QuantizeSettings } from './options.ts';
import type { WorkFolder } from './work-folder.ts';

/** Computes the layers that are not there yet, one at a time. */
export async function eachLayer(
  { onLayer }: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
  quantize: (plan: LayerPlan) => Promise<UniformWeight>,
): Promise<void> {
  for (const [i, plan] of plans.entries()) {
    if (!(await work.hasLayer(plan))) await work.writeLayer(await quantize(plan));
    onLayer?.(i + 1, plans.length, plan.name);
  }
}

/** Options of a quantizer; a group size takes the place of that of the settings. */
export function gridOptions(
  { bits, grid }: QuantizeSettings,
  groupSize?: number,
): GridSettings & UniformOptions {
  const options = { bits, ...(grid as GridSettings) };
  return groupSize === undefined ? options : { ...options, groupSize };
}

/** The layers that no earlier run has finished. */
export async function missingLayers(
  plans: readonly LayerPlan[],
  work: WorkFolder,
): Promise<LayerPlan[]> {
  const found: LayerPlan[] = [];
  for (const plan of plans) if (!(await work.hasLayer(plan))) found.push(plan);
  return found;
}
