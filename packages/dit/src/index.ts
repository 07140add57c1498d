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
export { blockForward } from './model/block.ts';
export { checkLabels, embedTokens, type HostVector } from './model/embed.ts';
export { finalLayer } from './model/final-layer.ts';
export { ditForward, type ForwardOptions } from './model/model.ts';
export { patchify, unpatchify } from './model/patches.ts';
export { positionEmbedding } from './model/position.ts';
export {
  type DiTModel,
  DiTWeights,
  replaceWeights,
  sourceShapes,
  type TensorSource,
  type WeightLookup,
} from './model/weights.ts';
