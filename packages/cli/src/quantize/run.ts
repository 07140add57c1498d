import { resolve } from 'node:path';
import { writeArtefact } from '@vq4dit/checkpoint';
import { ArgumentError, InterruptedError } from '@vq4dit/core';
import { checkOutputFolder, removeLeftovers } from '../output.ts';
import { REPARAMETRIZED } from '../verify/weights.ts';
import { calibrateCodebooks, quantizeByCodebooks } from './codebooks.ts';
import { isDeviceFailure, withWayOn } from './device-failure.ts';
import { checkFinite } from './finite.ts';
import { quantizeOnGrids } from './grids.ts';
import type { QuantizeJob, QuantizeResult } from './job.ts';
import { type LayerPlan, planLayers } from './layers.ts';
import { ARTEFACT_FILES } from './options.ts';
import { checkModulations } from './repq.ts';
import { WorkFolder } from './work-folder.ts';

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
  if (method === 'repq') checkModulations(job, plans);
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
  const { grid, method } = settings;
  const started = performance.now();
  const changed = grid ? await quantizeOnGrids(job, plans, work) : undefined;
  if (!grid) await quantizeByCodebooks(job, plans, work);
  const quantized = performance.now();
  const calibrated = method === 'vq4dit' ? await calibrateCodebooks(job, plans, work) : undefined;
  const { weights, backends = [] } = calibrated ?? {};
  const metadata = {
    ...(backends.length > 1 && { calibration_backends: backends.join(' ') }),
    ...(changed && { [REPARAMETRIZED]: layerNames(changed) }),
  };
  const trained = performance.now();

  const biases = weights
    ? new Map([...weights].map(([name, { bias }]) => [`${name}.bias`, bias]))
    : changed;
  const { granularity, groupSize } = grid ?? {};
  const written = await writeArtefact(job.out, {
    model,
    layers: plans.map((plan) => ({
      ...plan,
      load: async () => weights?.get(plan.name)?.weight ?? (await work.readLayer(plan))!,
    })),
    ...(biases && { biases }),
    metadata,
    ...(granularity && { uniform: { granularity, ...(groupSize && { groupSize }) } }),
    codewords: settings.codewords,
    subvector: settings.subvector,
    codebookDType: settings.codebookDType,
    method,
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

const layerNames = (biases: ReadonlyMap<string, unknown>) =>
  [...biases.keys()].map((name) => name.slice(0, -'.bias'.length)).join(' ');
