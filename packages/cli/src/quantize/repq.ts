import { ArgumentError, type ChannelRanges, collectRanges, UniformQuantizer } from '@vq4dit/core';
import { BLOCK_LINEARS, blockLayer, normalizedLayers, reparametrizeBlock } from '@vq4dit/dit';
import { eachLayer } from './each-layer.ts';
import { gridOptions } from './grid-options.ts';
import { type QuantizeJob, readMatrix, withLoadedModel } from './job.ts';
import type { LayerPlan } from './layers.ts';
import type { WorkFolder } from './work-folder.ts';

/** Biases that a method has changed, by their full names. */
export type ChangedBiases = ReadonlyMap<string, Float32Array>;

/** RepQ-ViT: differences between channels of normalized activations go into the weights first. */
export async function quantizeByRepq(
  job: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
): Promise<ChangedBiases> {
  const { model, settings, signal } = job;
  const ranges = (await work.readRanges()) ?? (await normalizedRanges(job, plans, work));
  const quantizer = new UniformQuantizer(gridOptions(settings));
  const biases = new Map<string, Float32Array>();
  for (let block = 0; block < model.config.depth; block++) {
    const names = new Set(normalizedLayers(block).layers);
    const own = new Map([...ranges].filter(([name]) => names.has(name)));
    const changed = await reparametrizeBlock(model.config, block, model, own);
    for (const [name, { bias }] of changed) biases.set(`${name}.bias`, bias);
    const inBlock = new Set(BLOCK_LINEARS.map((linear) => blockLayer(block, linear)));
    const quantize = async (plan: LayerPlan) => {
      const data = changed.get(plan.name)?.weight.data;
      return quantizer.quantize(data ? { ...plan, data } : await readMatrix(model, plan), signal);
    };
    const here = plans.filter(({ name }) => inBlock.has(name));
    await eachLayer(job, here, work, quantize, plans);
  }
  return biases;
}

/**
 * A change of a normalized layer's weights has to be undone in the modulation, which is stored with it.
 *
 * @throws ArgumentError where one is quantized without the other
 */
export function checkModulations(
  { model }: Pick<QuantizeJob, 'model'>,
  plans: readonly LayerPlan[],
): void {
  const chosen = new Set(plans.map(({ name }) => name));
  for (let block = 0; block < model.config.depth; block++) {
    const { layers, modulation } = normalizedLayers(block);
    const layer = layers.find((name) => chosen.has(name));
    if (layer !== undefined && !chosen.has(modulation)) {
      throw new ArgumentError(
        `--method repq changes ${layer} together with ${modulation}, which the patterns leave out; include both or neither.`,
      );
    }
  }
}

function normalizedRanges(
  job: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
): Promise<Map<string, ChannelRanges>> {
  return withLoadedModel(job, plans, async ({ ops, stack, source }) => {
    const blocks = Array.from({ length: stack.blockCount }, (_, block) => normalizedLayers(block));
    const ranges = await collectRanges(ops, {
      ...{ stack, source, trajectories: job.settings.budget.trajectories },
      layers: new Set(blocks.flatMap(({ layers }) => layers)),
      ...(job.onStatistics && { onStep: job.onStatistics }),
    });
    await work.writeRanges(ranges);
    return ranges;
  });
}
