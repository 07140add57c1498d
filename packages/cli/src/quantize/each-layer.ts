import type { UniformWeight, VqWeight } from '@vq4dit/core';
import type { QuantizeJob } from './job.ts';
import type { LayerPlan } from './layers.ts';
import type { WorkFolder } from './work-folder.ts';

/**
 * Computes the layers that are not there yet, one at a time, so that memory is bounded by the largest.
 *
 * @param all what progress is counted over, where `plans` are a part of it
 */
export async function eachLayer<Q extends VqWeight | UniformWeight>(
  { onLayer }: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
  quantize: (plan: LayerPlan) => Promise<Q>,
  all = plans,
): Promise<void> {
  for (const plan of plans) {
    if (!(await work.hasLayer(plan))) await work.writeLayer(await quantize(plan));
    onLayer?.(all.indexOf(plan) + 1, all.length, plan.name);
  }
}
