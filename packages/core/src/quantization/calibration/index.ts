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
export type { BlockStack, CalibrationSource, CalibrationStep, WeightLookup } from './model.ts';
export {
  type CalibrationOptions,
  checkCalibrationOptions,
  PAPER_RECIPE,
  PUBLISHED_CODE_RECIPE,
} from './options.ts';
export type { ParameterState } from './parameter.ts';
export { ratioPenalty } from './penalty.ts';
export { startLayer } from './start.ts';
