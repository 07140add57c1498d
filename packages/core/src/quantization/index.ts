export * from './calibration/index.ts';
export {
  type CandidateOptions,
  type CandidateSets,
  candidateSets,
  MAX_CANDIDATES,
} from './candidates.ts';
export { type CodebookFitOptions, fitCodebooks } from './codebook-fit.ts';
export { type GptqOptions, GptqQuantizer } from './gptq.ts';
export { dampedGram, layerOutputError } from './gram.ts';
export { chooseGroupSizes, type GroupSizeChoice } from './group-sizes.ts';
export { clampCodewords, type KMeansOptions, type KMeansResult, kmeans } from './kmeans.ts';
export type { KMeansProgress } from './lloyd.ts';
export { assignByOutputError, type OutputErrorOptions } from './output-error.ts';
export {
  type CodeArray,
  codeWidth,
  packCodes,
  packedByteLength,
  unpackCodes,
} from './packing.ts';
export {
  type QuantizedWeight,
  VqWeight,
  type VqWeightParts,
  type WeightMatrix,
  type WeightQuantizer,
  weightError,
} from './quantized-weight.ts';
export { initialLogits, type RatioStart, ratiosOf } from './ratios.ts';
export { candidatesWithPresent, type RefineOptions, refineByOutputError } from './refine.ts';
export {
  type ChannelRanges,
  type LinearParameters,
  reparametrizeInput,
  reparametrizeModulation,
  reparametrizeScales,
  type ScaleReparametrization,
} from './scale-reparametrization.ts';
export {
  type LayerShape,
  type QuantizedSize,
  quantizedLayerSize,
  totalQuantizedSize,
  type UniformLayerShape,
  uniformLayerSize,
} from './size.ts';
export { flatSubvectors, type SubvectorSource } from './subvectors.ts';
export {
  GRANULARITIES,
  type Granularity,
  type UniformOptions,
  UniformQuantizer,
} from './uniform.ts';
export {
  CLIPPINGS,
  type Clipping,
  fitGrid,
  roundToGrid,
  type UniformGrid,
} from './uniform-grid.ts';
export {
  checkUniformBits,
  UNIFORM_BITS,
  UniformWeight,
  type UniformWeightParts,
} from './uniform-weight.ts';
export { RATES, VectorQuantizer, type VectorQuantizerOptions } from './vector-quantizer.ts';
