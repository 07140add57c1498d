import {
  attention,
  gelu,
  type LayerObserver,
  layerNorm,
  linear,
  silu,
  type Tensor,
  type TensorOps,
} from '@vq4dit/core';
import type { DiTConfig } from '../config/config.ts';
import { type BlockLinear, blockLayer } from '../config/tensors.ts';
import type { WeightLookup } from './weights.ts';

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
    const layer = (x: Tensor, name: BlockLinear) => {
      const path = blockLayer(index, name);
      observe?.(path, x);
      return linear(s, x, lookup(`${path}.weight`), lookup(`${path}.bias`));
    };
    const modulation = layer(silu(s, conditioning), 'adaLN_modulation.1'); // [N, 6D]
    const [shift1, scale1, gate1, shift2, scale2, gate2] = chunkModulation(s, modulation, 6);

    const attended = modulate(s, layerNorm(s, tokens), shift1!, scale1!);
    const mixed = selfAttention(s, layer(attended, 'attn.qkv'), config.numHeads);
    const middle = s.add(tokens, s.mul(layer(mixed, 'attn.proj'), gate1!));

    const narrow = modulate(s, layerNorm(s, middle), shift2!, scale2!);
    const wide = gelu(s, layer(narrow, 'mlp.fc1')); // [N, T, mlp]
    return s.add(middle, s.mul(layer(wide, 'mlp.fc2'), gate2!));
  });
}

/** Modulation [N, count D] as `count` tensors [N, 1, D], which broadcast over tokens. */
export function chunkModulation(ops: TensorOps, modulation: Tensor, count: number): Tensor[] {
  const n = modulation.shape[0]!;
  const width = modulation.shape[1]! / count;
  const parts = ops.reshape(modulation, [n, count, width]);
  return Array.from({ length: count }, (_, i) => ops.slice(parts, [0, i, 0], [n, 1, width]));
}

/** x (1 + scale) + shift. x [N, T, D], scale and shift [N, 1, D]. */
export function modulate(ops: TensorOps, x: Tensor, shift: Tensor, scale: Tensor): Tensor {
  return ops.add(ops.mul(x, ops.add(scale, ops.scalar(1))), shift);
}

/** Multi-head self-attention on queries, keys and values side by side: [N, T, 3D] -> [N, T, D]. */
function selfAttention(ops: TensorOps, qkv: Tensor, heads: number): Tensor {
  const [n, count, triple] = qkv.shape as [number, number, number];
  const width = triple / 3;
  return ops.scope((s) => {
    const rows = s.reshape(qkv, [n * count, triple]);
    // Cut first, then permute: permuting all three at once takes five axes, which is
    // slow: on WebAssembly it was two fifths of a forward pass.
    const [q, k, v] = [0, 1, 2].map((i) => {
      const part = s.slice(rows, [0, i * width], [n * count, width]);
      const split = s.reshape(part, [n, count, heads, width / heads]);
      return s.permute(split, [0, 2, 1, 3]); // [N, H, T, D/H]
    });
    const mixed = attention(s, q!, k!, v!); // [N, H, T, D/H]
    return s.reshape(s.permute(mixed, [0, 2, 1, 3]), [n, count, width]);
  });
}
