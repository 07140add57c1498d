import type { BlockStack } from '@vq4dit/core';
import { BLOCK_LINEARS, blockLayer } from '../config/tensors.ts';
import { blockForward } from '../model/block.ts';
import type { DiTModel } from '../model/weights.ts';

/**
 * A DiT as the calibration sees it: blocks that are computed from whatever weights it is given.
 *
 * @param quantized layer names (without `.weight`) that are calibrated; the others stay as they are.
 * Default: every linear layer of every block.
 */
export function ditBlockStack(
  { config, lookup }: DiTModel,
  quantized?: ReadonlySet<string>,
): BlockStack {
  return {
    blockCount: config.depth,
    layersOf: (block) =>
      BLOCK_LINEARS.map((name) => blockLayer(block, name)).filter(
        (name) => quantized?.has(name) ?? true,
      ),
    forwardBlock: (ops, block, tokens, conditioning, weights) =>
      blockForward(ops, weights, config, block, tokens, conditioning),
    weights: lookup,
  };
}
