export {
  type CodeArray,
  codeWidth,
  packCodes,
  packedByteLength,
  unpackCodes,
} from './packing.ts';
export {
  type LayerShape,
  type QuantizedSize,
  quantizedLayerSize,
  totalQuantizedSize,
} from './size.ts';
export {
  type QuantizedWeight,
  VqWeight,
  type VqWeightParts,
  type WeightMatrix,
  type WeightQuantizer,
} from './quantized-weight.ts';
export * from './calibration/index.ts';
