import { type QuantizedSize, quantizedLayerSize, uniformLayerSize } from '@vq4dit/core';
import { CODEBOOK_BYTES, isUniform, type QuantizedLayerInfo } from './format.ts';

/** What one layer of an artefact takes; codebooks, or scales and zero points, included. */
export function layerSize(layer: QuantizedLayerInfo): QuantizedSize {
  if (isUniform(layer)) {
    return uniformLayerSize({ ...layer, scaleBytes: CODEBOOK_BYTES[layer.scaleDType] });
  }
  const { rows, columns, groups, k, d } = layer;
  const codebookBytes = CODEBOOK_BYTES[layer.codebookDType];
  return quantizedLayerSize({ rows, columns, groups, k, d, codebookBytes });
}
