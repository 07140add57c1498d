import {
  type CalibratedWeight,
  calibrate,
  type LayerStart,
  refineByOutputError,
  startLayer,
  VectorQuantizer,
  VqWeight,
  weightError,
} from '@vq4dit/core';
import { eachLayer } from './each-layer.ts';
import { InputGrams } from './input-grams.ts';
import { type LoadedModel, type QuantizeJob, readMatrix, withLoadedModel } from './job.ts';
import type { LayerPlan } from './layers.ts';
import type { WorkFolder } from './work-folder.ts';

/** K-means of each layer. */
export async function quantizeByCodebooks(
  job: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
): Promise<void> {
  let quantizer: VectorQuantizer | undefined;
  await eachLayer(job, plans, work, async (plan) => {
    quantizer ??= await createQuantizer(job);
    return quantizer.quantize(await readMatrix(job.model, plan), job.signal);
  });
}

/** K-means on the backend where it has one of its own, else on the host: the same bytes. */
async function createQuantizer(job: QuantizeJob): Promise<VectorQuantizer> {
  const { backend } = await job.ops();
  const reasons = new Set<string>();
  const onDeclined = (reason: string) => {
    if (!reasons.has(reason)) job.onHostKMeans?.(reason);
    reasons.add(reason);
  };
  const { kmeans: accelerator } = backend;
  if (accelerator === undefined) onDeclined(`backend ${backend.id} has no k-means of its own`);
  const options = { ...job.settings, onDeclined };
  return new VectorQuantizer(accelerator ? { ...options, accelerator } : options);
}

/** What a calibration gives: the layers, and the backends that computed them in turn. */
export interface Calibrated {
  readonly weights: Map<string, CalibratedWeight>;
  readonly backends: readonly string[];
}

/** Calibrates codebooks and assignments of all layers together, from the last finished trajectory on. */
export function calibrateCodebooks(
  job: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
): Promise<Calibrated> {
  const { settings, signal } = job;
  const { budget, calibration } = settings;
  return withLoadedModel(job, plans, async (loaded) => {
    const { ops, stack, source } = loaded;
    const kept = await work.readCalibration();
    const { id } = ops.backend;
    const from = kept?.backends.at(-1) ?? id;
    const backends = [...(kept?.backends ?? [id]), ...(from === id ? [] : [id])];
    if (kept && from !== id) job.onBackendChange?.(from, id, kept.state.trajectories);
    const resume = kept?.state;
    const refined = calibration.refinements > 0;
    // A state brings its own ratios or assignments, and one candidate leaves nothing to choose.
    const ratioStart = resume || calibration.candidates === 1 ? 'uniform' : calibration.ratioStart;
    const layers = refined
      ? await refineLayers(job, plans, work, loaded)
      : await startLayers(job, plans, work, loaded, ratioStart);
    // Refined assignments are hard: each is its own only candidate.
    const options = refined ? { ...calibration, candidates: 1 } : calibration;
    const weights = await calibrate(ops, {
      ...{ stack, source, layers, trajectories: budget.trajectories, options },
      onTrajectory: (state) => work.writeCalibration({ state, backends }),
      ...(job.onCalibration && { onProgress: job.onCalibration }),
      ...(resume && { resume }),
      ...(signal && { signal }),
    });
    return { weights, backends };
  });
}

/** Candidate sets and first ratios of all layers. */
async function startLayers(
  job: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
  loaded: LoadedModel,
  ratioStart: QuantizeJob['settings']['calibration']['ratioStart'],
): Promise<Map<string, LayerStart>> {
  const { model, signal } = job;
  const { calibration } = job.settings;
  const grams = new InputGrams(job, loaded, plans, {
    trajectories: calibration.statisticsTrajectories,
  });
  const layers = new Map<string, LayerStart>();
  for (const [i, plan] of plans.entries()) {
    const weight = await readCodebook(work, plan);
    const bias = await model.readFloat32(`${plan.name}.bias`);
    const gram = ratioStart === 'output-error' ? await grams.of(plan) : undefined;
    const start = { ...calibration, ratioStart, ...(gram && { gram }), ...(signal && { signal }) };
    layers.set(plan.name, await startLayer(await readMatrix(model, plan), weight, bias, start));
    job.onCandidates?.(i + 1, plans.length, plan.name);
  }
  return layers;
}

/** Codebooks and assignments of all layers, refined by output error; what is finished is kept. */
async function refineLayers(
  job: QuantizeJob,
  plans: readonly LayerPlan[],
  work: WorkFolder,
  loaded: LoadedModel,
): Promise<Map<string, LayerStart>> {
  const { model, signal } = job;
  const { candidates, refinements, statisticsTrajectories } = job.settings.calibration;
  const left = await work.missing(plans, 'refined');
  const grams = new InputGrams(job, loaded, left, { trajectories: statisticsTrajectories });
  const layers = new Map<string, LayerStart>();
  for (const [i, plan] of plans.entries()) {
    const matrix = await readMatrix(model, plan);
    if (left.includes(plan)) {
      const refined = await refineByOutputError(loaded.ops, {
        weight: matrix,
        quantized: await readCodebook(work, plan),
        gram: await grams.of(plan),
        ...{ candidates, rounds: refinements },
        ...(signal && { signal }),
      });
      await work.writeLayer(refined, 'refined');
    }
    const weight = await readCodebook(work, plan, 'refined');
    const bias = await model.readFloat32(`${plan.name}.bias`);
    const logits = new Float32Array(weight.codes.length);
    const own = Int32Array.from(weight.codes);
    const error = weightError(matrix, weight);
    layers.set(plan.name, { weight, candidates: own, logits, bias, error });
    job.onRefinement?.(i + 1, plans.length, plan.name);
  }
  return layers;
}

async function readCodebook(
  work: WorkFolder,
  plan: LayerPlan,
  stage?: 'refined',
): Promise<VqWeight> {
  const weight = await work.readLayer(plan, stage);
  if (!(weight instanceof VqWeight)) throw new Error(`${plan.name} has no codebook`);
  return weight;
}
