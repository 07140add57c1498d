import { type QuantizedSize, quantizedLayerSize } from '@vq4dit/core';
import { CODEBOOK_BYTES, type QuantizedLayerInfo } from './format.ts';

/** What one layer of an artefact takes, codebooks included. */
export function layerSize(layer: QuantizedLayerInfo): QuantizedSize {
  const { rows, columns, groups, k, d } = layer;
  const codebookBytes = CODEBOOK_BYTES[layer.codebookDType];
  return quantizedLayerSize({ rows, columns, groups, k, d, codebookBytes });
}
