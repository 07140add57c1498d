import {
  BEST_RECIPE,
  type CalibrationOptions,
  OUTPUT_ERROR_RECIPE,
  PAPER_RECIPE,
  PUBLISHED_CODE_RECIPE,
  RATES,
} from '@vq4dit/core';
import { GRID_DEFAULTS, type GridMethod, type GridSettings } from './grid-options.ts';
import type { LayerSelection } from './layers.ts';

export type { GridMethod, GridSettings };

/** Values of `--method`. */
export const METHOD_NAMES = [
  'vq4dit',
  'vq',
  ...(Object.keys(GRID_DEFAULTS) as GridMethod[]),
] as const;
/** A value of `--method`. */
export type MethodName = (typeof METHOD_NAMES)[number];

/** What an artefact's folder holds. */
export const ARTEFACT_FILES = ['model.safetensors', 'config.json'] as const;

/** Names of complete calibration settings. */
export const RECIPES = {
  best: BEST_RECIPE,
  'output-error': OUTPUT_ERROR_RECIPE,
  paper: PAPER_RECIPE,
  'published-code': PUBLISHED_CODE_RECIPE,
} as const satisfies Record<string, CalibrationOptions>;
/** A value of `--recipe`; see {@link CalibrationOptions} for what the recipes differ in. */
export type RecipeName = keyof typeof RECIPES;

/** How much the calibration may do. */
export interface CalibrationBudget {
  readonly trajectories: number;
  /** Sampling steps of each trajectory; one optimizer step each. */
  readonly steps: number;
  /** Images of each trajectory. */
  readonly batch: number;
  readonly cfgScale: number;
  readonly nullShare: number;
}

/** Everything that decides what an artefact holds; equal settings and source give equal bytes. */
export interface QuantizeSettings extends LayerSelection {
  readonly method: MethodName;
  /** Nominal bits per weight: log2(k) / d, or the width of a code on a uniform grid. */
  readonly bits: number;
  /** How uniform grids are made; only with methods that have them. */
  readonly grid?: GridSettings;
  readonly seed: number;
  readonly codebookDType: 'F16' | 'F32';
  readonly maxIterations: number;
  readonly recipe: RecipeName;
  readonly calibration: CalibrationOptions;
  readonly budget: CalibrationBudget;
}

/** Settings of a plain `vq4dit quantize <model> <out>`. */
export const DEFAULT_SETTINGS: QuantizeSettings = {
  method: 'vq4dit',
  bits: 2,
  ...RATES[2],
  include: [],
  exclude: [],
  splitQkv: true,
  seed: 0,
  codebookDType: 'F16',
  maxIterations: 100,
  recipe: 'best',
  calibration: RECIPES.best,
  budget: { trajectories: 20, steps: 20, batch: 8, cfgScale: 1, nullShare: 0.15 },
};
