import type { ModelFile } from '@vq4dit/checkpoint';
import type {
  BlockStack,
  CalibrationProgress,
  CalibrationSource,
  TensorOps,
  WeightMatrix,
} from '@vq4dit/core';
import { DiTWeights, ditBlockStack, zeroDataSource } from '@vq4dit/dit';
import type { LayerPlan } from './layers.ts';
import type { QuantizeSettings } from './options.ts';

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
  /** Called after each quantized layer, also where it was done in an earlier run; `done` from 1. */
  onLayer?(done: number, total: number, name: string): void;
  /** Called once for each reason why k-means runs on the host and not on the backend. */
  onHostKMeans?(reason: string): void;
  /** Steps of the walk that collects the inputs' statistics, where method or recipe want them. */
  onStatistics?(done: number, total: number): void;
  /** Layers whose group sizes have been tried, where the method chooses between them. */
  onGroupSizes?(done: number, total: number, name: string): void;
  /** Layers that are refined by output error, where the recipe does so. */
  onRefinement?(done: number, total: number, name: string): void;
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
  /** `vq` is the quantization of the layers, by whatever method, with the statistics that it needs. */
  readonly seconds: { readonly vq: number; readonly calibration: number; readonly write: number };
}

/** The floating-point matrix of a layer. */
export async function readMatrix(model: ModelFile, plan: LayerPlan): Promise<WeightMatrix> {
  return { ...plan, data: await model.readFloat32(`${plan.name}.weight`) };
}

/** The floating-point model on a backend, as calibration sees it. */
export interface LoadedModel {
  readonly ops: TensorOps;
  readonly stack: BlockStack;
  readonly source: CalibrationSource;
}

/** Loads the model for as long as `use` runs. */
export async function withLoadedModel<T>(
  { model, settings, signal, ops: open }: QuantizeJob,
  plans: readonly LayerPlan[],
  use: (loaded: LoadedModel) => Promise<T>,
): Promise<T> {
  const ops = await open();
  using weights = await DiTWeights.load(ops, model.config, model);
  const stack = ditBlockStack(weights, new Set(plans.map(({ name }) => name)));
  const source = zeroDataSource(weights, {
    ...settings.budget,
    seed: settings.seed,
    ...(signal && { signal }),
  });
  return await use({ ops, stack, source });
}
