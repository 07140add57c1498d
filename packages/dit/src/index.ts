export { ditBlockStack } from './calibration/block-stack.ts';
export { normalizedLayers, reparametrizeBlock } from './calibration/reparametrize.ts';
export { type ZeroDataOptions, zeroDataSource } from './calibration/zero-data.ts';
export {
  checkConfig,
  type DiTConfig,
  hasNullLabel,
  labelRows,
  mlpWidth,
  outChannels,
  tokenCount,
} from './config/config.ts';
export { inferDiTConfig } from './config/infer.ts';
export {
  ditConfigToJson,
  type ParsedDiTConfig,
  parseDiTConfig,
  parsePartialDiTConfig,
} from './config/json.ts';
export { DIT_PRESETS, type DiTPresetName, ditPreset, isDiTPreset } from './config/presets.ts';
export {
  BLOCK_LINEARS,
  type BlockLinear,
  blockLayer,
  blockLinearShapes,
  checkTensors,
  expectedTensors,
} from './config/tensors.ts';
export { type NoiseSource, seededNoise, streamNoise } from './diffusion/noise.ts';
export {
  type FixedVariance,
  type Prediction,
  type PredictionOptions,
  predict,
} from './diffusion/prediction.ts';
export { respacedTimesteps, TRAINING_STEPS } from './diffusion/respacing.ts';
export { type DiffusionSchedule, diffusionSchedule, linearBetas } from './diffusion/schedule.ts';
export { ddimDeviation, ddimStep, ddpmStep } from './diffusion/steps.ts';
export { blockForward } from './model/block.ts';
export { checkLabels, embedTokens, type HostVector } from './model/embed.ts';
export { finalLayer } from './model/final-layer.ts';
export { ditForward, type ForwardOptions } from './model/model.ts';
export { patchify, unpatchify } from './model/patches.ts';
export { positionEmbedding } from './model/position.ts';
export {
  type DiTModel,
  DiTWeights,
  type LoadOptions,
  sourceShapes,
  type TensorSource,
} from './model/weights.ts';
export {
  applyGuidance,
  checkGuidance,
  guidedChannels,
  withNullLabels,
} from './sampling/guidance.ts';
export type { ProcessOptions } from './sampling/process.ts';
export { type SampleOptions, type SampleStep, sample, sampleSteps } from './sampling/sample.ts';
export { type TrajectoryStep, walkTrajectory } from './sampling/trajectory.ts';
