import { fileURLToPath } from 'node:url';
import { openModel } from '@vq4dit/checkpoint';
import { DEFAULT_SETTINGS, planLayers } from '@vq4dit/cli';
import { VectorQuantizer } from '@vq4dit/core';
import { demoModel } from '@vq4dit/demo-model';

/**
 * Small enough for the slowest backend, which needs seconds for one image of one step: one
 * trajectory of calibration, and three images.
 */
export const SETTINGS = {
  trajectories: 1,
  statisticsTrajectories: 1,
  budget: { seed: 0, steps: 6, batch: 2, cfgScale: 1, nullShare: 0 },
  draw: { seed: 0, labels: [2, 7, 8], steps: 8 },
};

/** The demo model, its codebooks by k-means at 2 bits, and what is to be done with them. */
export async function makeProblem() {
  const model = await openModel(fileURLToPath(demoModel.checkpoint));
  const tensors = {};
  for (const name of model.names()) {
    tensors[name] = { shape: model.entry(name).shape, data: await model.readFloat32(name) };
  }
  await model.close();
  const { config } = model;
  const quantizer = new VectorQuantizer(DEFAULT_SETTINGS);
  const layers = [];
  for (const plan of planLayers(config, DEFAULT_SETTINGS)) {
    const weight = { ...plan, data: tensors[`${plan.name}.weight`].data };
    const { name, rows, columns, groups, k, d, codebook, codes } = await quantizer.quantize(weight);
    layers.push({ name, rows, columns, groups, k, d, codebook, codes });
  }
  return { config, tensors, layers, settings: SETTINGS };
}
