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
