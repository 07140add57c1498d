import {
  linear,
  modulatedLayerNorm,
  silu,
  type Tensor,
  type TensorOps,
  type WeightLookup,
} from '@vq4dit/core';
import { type DiTConfig, outChannels } from '../config/config.ts';
import { chunkModulation } from './block.ts';
import { unpatchify } from './patches.ts';

/**
 * The last layer: tokens [N, T, D] and conditioning [N, D] -> images [N, C or 2C, H, W]; the first
 * C channels are the predicted noise, the others the variance where sigma is learned.
 */
export function finalLayer(
  ops: TensorOps,
  lookup: WeightLookup,
  config: DiTConfig,
  tokens: Tensor,
  conditioning: Tensor,
): Tensor {
  return ops.scope((s) => {
    const layer = (x: Tensor, name: string) =>
      linear(s, x, lookup(`final_layer.${name}.weight`), {
        bias: lookup(`final_layer.${name}.bias`),
      });
    const modulation = layer(silu(s, conditioning), 'adaLN_modulation.1'); // [N, 2D]
    const [shift, scale] = chunkModulation(s, modulation, 2);
    const patches = layer(modulatedLayerNorm(s, tokens, shift!, scale!), 'linear');
    return unpatchify(s, patches, config.patchSize, outChannels(config));
  });
}
