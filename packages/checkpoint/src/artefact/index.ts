export { type DecodeOptions, decodeArtefact } from './decode.ts';
export { parameterCount } from './describe-job.ts';
export {
  type ArtefactInfo,
  CODEBOOK_BYTES,
  type CodebookDType,
  type CodebookLayerInfo,
  FORMAT_VERSION,
  isUniform,
  MAX_SUBVECTOR,
  QUANT_METHOD,
  type QuantizedLayerInfo,
  type UniformLayerInfo,
  type UniformScheme,
} from './format.ts';
export type { ArtefactJob, ArtefactLayer, ArtefactResult } from './job.ts';
export { layerSize } from './layer-size.ts';
export { writeArtefact } from './write.ts';
