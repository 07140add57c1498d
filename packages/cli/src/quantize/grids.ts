import { UniformQuantizer } from '@vq4dit/core';
import { eachLayer } from './each-layer.ts';
import { quantizeByGptq } from './gptq.ts';
import { gridOptions } from './grid-options.ts';
import { type QuantizeJob, readMatrix } from './job.ts';
import type { LayerPlan } from './layers.ts';
import { quantizeByQDit } from './qdit.ts';
import { type ChangedBiases, quantizeByRepq } from './repq.ts';
import type { WorkFolder } from './work-folder.ts';

/**
 * Rounds all layers to uniform grids, by the method of the settings.
 *
 * @returns the biases that the method has changed with them, if it does so
 */
export async function quantizeOnGrids(
  job: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
): Promise<ChangedBiases | undefined> {
  const { method } = job.settings;
  if (method === 'repq') return quantizeByRepq(job, plans, work);
  if (method === 'gptq') await quantizeByGptq(job, plans, work);
  else if (method === 'qdit') await quantizeByQDit(job, plans, work);
  else await roundToNearest(job, plans, work);
  return undefined;
}

async function roundToNearest(job: QuantizeJob, plans: readonly LayerPlan[], work: WorkFolder) {
  const quantizer = new UniformQuantizer(gridOptions(job.settings));
  await eachLayer(job, plans, work, async (plan) =>
    quantizer.quantize(await readMatrix(job.model, plan), job.signal),
  );
}
