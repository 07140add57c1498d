import {
  chooseGroupSizes,
  GptqQuantizer,
  type GroupSizeChoice,
  layerOutputError,
  UniformQuantizer,
  uniformLayerSize,
} from '@vq4dit/core';
import { eachLayer } from './each-layer.ts';
import { gridOptions } from './grid-options.ts';
import { InputGrams } from './input-grams.ts';
import { type QuantizeJob, readMatrix, withLoadedModel } from './job.ts';
import type { LayerPlan } from './layers.ts';
import type { WorkFolder } from './work-folder.ts';

/** Group sizes that Q-DiT chooses between, as far as a layer has so many inputs. */
const GROUP_SIZES = [32, 48, 64, 96, 128, 192, 288, 384, 576, 1152] as const;

/** Q-DiT: a group size for each layer, by the error of its output, then GPTQ with it. */
export async function quantizeByQDit(
  job: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
): Promise<void> {
  if ((await work.missing(plans)).length === 0) return;
  await withLoadedModel(job, plans, async (loaded) => {
    const grams = new InputGrams(job, loaded, plans);
    let sizes = await work.readGroupSizes();
    if (!sizes) {
      sizes = await searchGroupSizes(job, plans, grams);
      await work.writeGroupSizes(sizes);
    }
    await eachLayer(job, plans, work, async (plan) => {
      const gram = await grams.of(plan);
      const options = gridOptions(job.settings, sizes.get(plan.name)!);
      const quantizer = new GptqQuantizer({ ...options, gramOf: () => gram });
      return quantizer.quantize(await readMatrix(job.model, plan), job.signal);
    });
  });
}

/** Within the size that the group size of the settings gives when all layers have it. */
async function searchGroupSizes(
  job: QuantizeJob,
  plans: readonly LayerPlan[],
  grams: InputGrams,
): Promise<Map<string, number>> {
  const { settings, signal } = job;
  const layers = new Map<string, GroupSizeChoice[]>();
  const bitsOf = ({ rows, columns }: LayerPlan, groupSize: number) => {
    const shape = { rows, columns, bits: settings.bits, scaleRows: rows, groupSize };
    const size = uniformLayerSize({ ...shape, scaleBytes: 2 });
    return size.codeBits + size.codebookBits;
  };
  let budget = 0;
  for (const [i, plan] of plans.entries()) {
    const weight = await readMatrix(job.model, plan);
    const gram = await grams.of(plan);
    const nothing = layerOutputError(weight, new Float32Array(weight.data.length), gram);
    const own = Math.min(settings.grid!.groupSize!, plan.columns);
    budget += bitsOf(plan, own);
    const sizes = new Set([...GROUP_SIZES.filter((size) => size <= plan.columns), own]);
    const choices: GroupSizeChoice[] = [];
    for (const groupSize of sizes) {
      const quantizer = new UniformQuantizer(gridOptions(settings, groupSize));
      const rounded = (await quantizer.quantize(weight, signal)).reconstruct();
      // Relative to the energy of the output, so that layers compare; a dead layer has no error.
      const error = nothing > 0 ? layerOutputError(weight, rounded, gram) / nothing : 0;
      choices.push({ groupSize, error, bits: bitsOf(plan, groupSize) });
    }
    layers.set(plan.name, choices);
    job.onGroupSizes?.(i + 1, plans.length, plan.name);
  }
  const chosen = chooseGroupSizes(layers, budget);
  return new Map([...chosen].map(([name, { groupSize }]) => [name, groupSize]));
}
