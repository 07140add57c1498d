import type { Tensor, TensorOps } from '@vq4dit/core';
import { blockForward } from './block.ts';
import { embedTokens, type HostVector } from './embed.ts';
import { finalLayer } from './final-layer.ts';
import type { DiTModel } from './weights.ts';

/** Options of {@link ditForward}. */
export interface ForwardOptions {
  /**
   * Told each block's output [N, T, D] as soon as it exists. The tensor is freed after the next
   * block; `ops.alias` keeps it.
   */
  readonly onBlock?: (index: number, output: Tensor) => void;
}

/**
 * The whole model in evaluation mode.
 *
 * @param x noisy images [N, C, H, W]
 * @param t timesteps of the original process, one per image
 * @param y labels, one per image; `config.numClasses` is the null label
 * @returns predicted noise, then variance where sigma is learned, [N, C or 2C, H, W]
 */
export function ditForward(
  ops: TensorOps,
  { config, lookup }: DiTModel,
  x: Tensor,
  t: HostVector,
  y: HostVector,
  { onBlock }: ForwardOptions = {},
): Tensor {
  return ops.scope((s) => {
    const { tokens: embedded, conditioning } = embedTokens(s, lookup, config, x, t, y);
    let tokens = embedded;
    for (let index = 0; index < config.depth; index++) {
      const output = blockForward(s, lookup, config, index, tokens, conditioning);
      tokens.dispose();
      tokens = output;
      onBlock?.(index, output);
    }
    return finalLayer(s, lookup, config, tokens, conditioning);
  });
}
