import {
  type LayerObserver,
  type LinearOptions,
  type LinearWeight,
  linear,
  modulatedLayerNorm,
  selfAttention,
  silu,
  type Tensor,
  type TensorOps,
  type WeightLookup,
} from '@vq4dit/core';
import type { DiTConfig } from '../config/config.ts';
import { type BlockLinear, blockLayer } from '../config/tensors.ts';

/**
 * One adaLN-Zero block (Peebles & Xie 2022, figure 3): attention and MLP, each on a normalized
 * input that the conditioning scales and shifts, each gated before it is added.
 *
 * @param lookup gives the block's ten weights; they may depend on leaves of a tape
 * @param index which block, from 0
 * @param tokens [N, T, D]
 * @param conditioning timestep and label embedding, [N, D]
 * @param observe is shown the input of each linear layer
 * @returns tokens [N, T, D]
 */
export function blockForward(
  ops: TensorOps,
  lookup: WeightLookup,
  config: DiTConfig,
  index: number,
  tokens: Tensor,
  conditioning: Tensor,
  observe?: LayerObserver,
): Tensor {
  return ops.scope((s) => {
    const layer = (x: Tensor, name: BlockLinear, options: Omit<LinearOptions, 'bias'> = {}) => {
      const path = blockLayer(index, name);
      observe?.(path, x);
      return linear(s, x, matrix(s, lookup, `${path}.weight`), {
        ...options,
        bias: lookup(`${path}.bias`),
      });
    };
    const modulation = layer(silu(s, conditioning), 'adaLN_modulation.1'); // [N, 6D]
    const [shift1, scale1, gate1, shift2, scale2, gate2] = chunkModulation(s, modulation, 6);

    const attended = modulatedLayerNorm(s, tokens, shift1!, scale1!);
    const mixed = selfAttention(s, layer(attended, 'attn.qkv'), config.numHeads); // [N, T, D]
    const middle = layer(mixed, 'attn.proj', { gated: { gate: gate1!, residual: tokens } });

    const narrow = modulatedLayerNorm(s, middle, shift2!, scale2!);
    const wide = layer(narrow, 'mlp.fc1', { activation: 'gelu' }); // [N, T, mlp]
    return layer(wide, 'mlp.fc2', { gated: { gate: gate2!, residual: middle } });
  });
}

/** A matrix however the model keeps it; one from the host lives as long as the block's scope. */
function matrix(s: TensorOps, lookup: WeightLookup, name: string): LinearWeight {
  return lookup.packed?.(name) ?? lookup.upload?.(s, name) ?? lookup(name);
}

/** Modulation [N, count D] as `count` tensors [N, D]. */
export function chunkModulation(ops: TensorOps, modulation: Tensor, count: number): Tensor[] {
  const [n, total] = modulation.shape as [number, number];
  const width = total / count;
  return Array.from({ length: count }, (_, i) => ops.slice(modulation, [0, i * width], [n, width]));
}
