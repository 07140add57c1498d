import { GptqQuantizer } from '@vq4dit/core';
import { eachLayer } from './each-layer.ts';
import { gridOptions } from './grid-options.ts';
import { InputGrams } from './input-grams.ts';
import { type QuantizeJob, readMatrix, withLoadedModel } from './job.ts';
import type { LayerPlan } from './layers.ts';
import type { WorkFolder } from './work-folder.ts';

/** GPTQ, with the inputs of the floating-point model along sampling trajectories as its data. */
export async function quantizeByGptq(
  job: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
): Promise<void> {
  const left = await work.missing(plans);
  if (left.length === 0) return;
  await withLoadedModel(job, plans, async (loaded) => {
    const grams = new InputGrams(job, loaded, left);
    await eachLayer(job, plans, work, async (plan) => {
      const gram = await grams.of(plan);
      const quantizer = new GptqQuantizer({ ...gridOptions(job.settings), gramOf: () => gram });
      return quantizer.quantize(await readMatrix(job.model, plan), job.signal);
    });
  });
}
