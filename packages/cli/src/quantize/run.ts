import { resolve } from 'node:path';
import { type ModelFile, writeArtefact } from '@vq4dit/checkpoint';
import {
  ArgumentError,
  type CalibratedWeight,
  type CalibrationProgress,
  calibrate,
  collectGrams,
  InterruptedError,
  type LayerStart,
  startLayer,
  type TensorOps,
  VectorQuantizer,
  type VqWeight,
  type WeightMatrix,
} from '@vq4dit/core';
import { DiTWeights, ditBlockStack, zeroDataSource } from '@vq4dit/dit';
import { checkOutputFolder, removeLeftovers } from '../output.ts';
import { isDeviceFailure, withWayOn } from './device-failure.ts';
import { checkFinite } from './finite.ts';
import { type LayerPlan, planLayers } from './layers.ts';
import { ARTEFACT_FILES, type QuantizeSettings } from './options.ts';
import { WorkFolder } from './work-folder.ts';

/** One quantization job. */
export interface QuantizeJob {
  readonly model: ModelFile;
  /** Folder of the artefact. */
  readonly out: string;
  readonly settings: QuantizeSettings;
  /** Where k-means and calibration run; asked for only when there is something left to compute. */
  readonly ops: () => Promise<TensorOps>;
  readonly signal?: AbortSignal;
  /** Called once, before anything is computed. */
  onPlan?(plans: readonly LayerPlan[]): void;
  /** Called after each layer's k-means, also where it was done in an earlier run; `done` from 1. */
  onLayer?(done: number, total: number, name: string): void;
  /** Called once for each reason why k-means runs on the host and not on the backend. */
  onHostKMeans?(reason: string): void;
  /** Steps of the walk that collects the inputs' statistics, where the recipe wants them. */
  onStatistics?(done: number, total: number): void;
  /** Layers whose candidate sets and first assignments are found. */
  onCandidates?(done: number, total: number, name: string): void;
  /** Called after each calibration step. */
  onCalibration?(progress: CalibrationProgress): void;
  /** Called where a calibration that began on backend `from` goes on, on another one. */
  onBackendChange?(from: string, to: string, trajectories: number): void;
}

/** What a job took and gave. */
export interface QuantizeResult {
  readonly out: string;
  readonly layers: number;
  /** Weights in the quantized matrices. */
  readonly quantizedWeights: number;
  /** Bits per quantized weight, codebooks included. */
  readonly bitsPerWeight: number;
  /** Layers whose codebook did not fit into the asked element type and is stored as F32. */
  readonly widened: readonly string[];
  readonly seconds: { readonly vq: number; readonly calibration: number; readonly write: number };
}

/**
 * Quantizes a model into an artefact. What is finished is kept beside the output until the artefact
 * is complete, so the same call goes on after an interruption and gives the same bytes. It may go on
 * on another backend; the calibration then rounds otherwise from there on, and the artefact's
 * metadata name both (`calibration_backends`).
 *
 * @throws InterruptedError when the signal is aborted
 * @throws DeviceLostError, OutOfDeviceMemoryError or UnsupportedOpError of the backend, saying how to go on
 * @throws ArgumentError where the model is quantized already, the settings do not fit it, or another
 *   job has left its work
 */
export async function runQuantize(job: QuantizeJob): Promise<QuantizeResult> {
  const { model, settings } = job;
  if (model.kind !== 'checkpoint') {
    throw new ArgumentError(`${model.name} is quantized already; quantize the original instead.`);
  }
  const { method, calibration } = settings;
  const candidates = method === 'vq4dit' ? calibration.candidates : 1;
  const plans = planLayers(model.config, settings, candidates);
  await checkOutputFolder(job.out, ARTEFACT_FILES, model.files);
  await checkFinite(model, new Set(plans.map(({ name }) => `${name}.weight`)));
  job.onPlan?.(plans);
  const identity = { version: 1, source: await model.sha256(), settings };
  const work = await WorkFolder.open(`${resolve(job.out)}.work`, identity);
  try {
    await removeLeftovers(job.out);
    return await runStages(job, plans, work);
  } catch (error) {
    await work.removeIfUseless();
    if (isDeviceFailure(error)) throw withWayOn(error, work.path);
    if (!(error instanceof InterruptedError)) throw error;
    throw new InterruptedError(
      `Stopped; run the same command again to go on with what is finished, which is in ${work.path}.`,
      { cause: error },
    );
  }
}

async function runStages(
  job: QuantizeJob,
  plans: LayerPlan[],
  work: WorkFolder,
): Promise<QuantizeResult> {
  const { model, settings, signal } = job;
  const started = performance.now();
  await quantizeLayers(job, plans, work);
  const quantized = performance.now();
  const calibrated =
    settings.method === 'vq4dit' ? await calibrateLayers(job, plans, work) : undefined;
  const { weights, backends = [] } = calibrated ?? {};
  const trained = performance.now();

  const written = await writeArtefact(job.out, {
    model,
    layers: plans.map((plan) => ({
      ...plan,
      load: async () => weights?.get(plan.name)?.weight ?? (await work.readLayer(plan))!,
    })),
    ...(weights && {
      biases: new Map([...weights].map(([name, { bias }]) => [`${name}.bias`, bias])),
    }),
    ...(backends.length > 1 && { metadata: { calibration_backends: backends.join(' ') } }),
    codewords: settings.codewords,
    subvector: settings.subvector,
    codebookDType: settings.codebookDType,
    method: settings.method,
    seed: settings.seed,
    ...(calibrated && { candidates: settings.calibration.candidates }),
    ...(signal && { signal }),
  });
  await work.remove();
  const seconds = {
    vq: (quantized - started) / 1000,
    calibration: (trained - quantized) / 1000,
    write: (performance.now() - trained) / 1000,
  };
  return {
    out: job.out,
    layers: plans.length,
    quantizedWeights: written.quantizedWeights,
    bitsPerWeight: written.bitsPerWeight,
    widened: written.widened,
    seconds,
  };
}

/** K-means, one layer at a time, so that memory is bounded by the largest layer. */
async function quantizeLayers(job: QuantizeJob, plans: LayerPlan[], work: WorkFolder) {
  const { signal } = job;
  let quantizer: VectorQuantizer | undefined;
  for (const [i, plan] of plans.entries()) {
    if (!(await work.hasLayer(plan))) {
      quantizer ??= await createQuantizer(job);
      const weight = await quantizer.quantize(await readMatrix(job.model, plan), signal);
      await work.writeLayer(weight);
    }
    job.onLayer?.(i + 1, plans.length, plan.name);
  }
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

async function readMatrix(model: ModelFile, plan: LayerPlan): Promise<WeightMatrix> {
  return { ...plan, data: await model.readFloat32(`${plan.name}.weight`) };
}

async function calibrateLayers(
  job: QuantizeJob,
  plans: LayerPlan[],
  work: WorkFolder,
): Promise<{ weights: Map<string, CalibratedWeight>; backends: readonly string[] }> {
  const { model, settings, signal } = job;
  const { budget, calibration } = settings;
  const ops = await job.ops();
  const weights = await DiTWeights.load(ops, model.config, model);
  try {
    const stack = ditBlockStack(weights, new Set(plans.map(({ name }) => name)));
    const source = zeroDataSource(weights, {
      ...budget,
      seed: settings.seed,
      ...(signal && { signal }),
    });
    const kept = await work.readCalibration();
    const { id } = ops.backend;
    const from = kept?.backends.at(-1) ?? id;
    const backends = [...(kept?.backends ?? [id]), ...(from === id ? [] : [id])];
    if (kept && from !== id) job.onBackendChange?.(from, id, kept.state.trajectories);
    const resume = kept?.state;
    // A state brings its own ratios or assignments: what they started from does not matter then.
    const start = resume ? { ...calibration, ratioStart: 'uniform' as const } : calibration;
    const grams =
      start.ratioStart === 'output-error'
        ? await collectGrams(ops, {
            ...{ stack, source, trajectories: calibration.statisticsTrajectories },
            ...(job.onStatistics && { onStep: job.onStatistics }),
          })
        : undefined;
    const layers = new Map<string, LayerStart>();
    for (const [i, plan] of plans.entries()) {
      const weight: VqWeight = (await work.readLayer(plan))!;
      const bias = await model.readFloat32(`${plan.name}.bias`);
      const gram = grams?.get(plan.name);
      const options = { ...start, ...(gram && { gram }), ...(signal && { signal }) };
      layers.set(plan.name, await startLayer(await readMatrix(model, plan), weight, bias, options));
      grams?.delete(plan.name);
      job.onCandidates?.(i + 1, plans.length, plan.name);
    }
    const calibrated = await calibrate(ops, {
      stack,
      source,
      layers,
      trajectories: budget.trajectories,
      options: calibration,
      onTrajectory: (state) => work.writeCalibration({ state, backends }),
      ...(job.onCalibration && { onProgress: job.onCalibration }),
      ...(resume && { resume }),
      ...(signal && { signal }),
    });
    return { weights: calibrated, backends };
  } finally {
    weights.dispose();
  }
}
