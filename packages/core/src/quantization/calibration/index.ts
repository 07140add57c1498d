export {
  type CalibrationJob,
  type CalibrationProgress,
  type CalibrationState,
  calibrate,
} from './calibrator.ts';
export {
  CalibratedLayer,
  type CalibratedWeight,
  type LayerLeaves,
  type LayerStart,
  type LayerState,
} from './layer.ts';
export {
  type BlockStack,
  type BlockWatcher,
  type CalibrationSource,
  type CalibrationStep,
  type LayerObserver,
  replaceWeights,
  type WeightLookup,
} from './model.ts';
export {
  BEST_RECIPE,
  type CalibrationOptions,
  checkCalibrationOptions,
  OUTPUT_ERROR_RECIPE,
  PAPER_RECIPE,
  PUBLISHED_CODE_RECIPE,
} from './options.ts';
export type { ParameterState } from './parameter.ts';
export { ratioPenalty } from './penalty.ts';
export { type StartOptions, startLayer } from './start.ts';
export { collectGrams, collectRanges, type StatisticsJob } from './statistics.ts';
