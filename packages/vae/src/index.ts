export { NORM_GROUPS, SCALING_FACTOR, SD_VAE_DECODER, type VaeDecoderConfig } from './config.ts';
export {
  type ImageTensor,
  type VaeDecodeOptions,
  VaeDecoder,
  type VaeLoadOptions,
} from './decoder.ts';
export { type FoundDecoder, inferVaeDecoder } from './infer.ts';
export { decoderLayers, type Layer, type LayerKind, weightShapes } from './layers.ts';
export type { VaeNames } from './names.ts';
export type { VaeTensorSource } from './weights.ts';
