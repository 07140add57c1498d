export * from './calibration/index.ts';
export {
  type CandidateOptions,
  type CandidateSets,
  candidateSets,
  MAX_CANDIDATES,
} from './candidates.ts';
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
} from './quantized-weight.ts';
export { initialLogits, type RatioStart, ratiosOf } from './ratios.ts';
export {
  type LayerShape,
  type QuantizedSize,
  quantizedLayerSize,
  totalQuantizedSize,
} from './size.ts';
export { flatSubvectors, type SubvectorSource } from './subvectors.ts';
export { RATES, VectorQuantizer, type VectorQuantizerOptions } from './vector-quantizer.ts';
