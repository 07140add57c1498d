import { ModelError } from '@vq4dit/core';
import { type DiTConfig, tokenCount } from '../config/config.ts';

const MAX_PERIOD = 10000;

/**
 * The fixed two-dimensional position embedding, [1, T, D] row-major. The first half of a token's
 * vector encodes its column, the second half its row; each half is sines, then cosines, of the
 * coordinate times 10000^(-i / (D/4)) (Vaswani et al. 2017, section 3.5, per axis).
 *
 * @throws ModelError where the width is not a multiple of 4
 */
export function positionEmbedding(config: DiTConfig): Float32Array {
  const { inputSize, patchSize, hiddenSize: width } = config;
  if (width % 4 !== 0) {
    throw new ModelError(
      `hidden_size ${width} is not a multiple of 4, so there is no position embedding for it; the checkpoint must hold pos_embed.`,
    );
  }
  const side = inputSize / patchSize;
  const quarter = width / 4;
  const out = new Float32Array(tokenCount(config) * width);
  for (let row = 0; row < side; row++) {
    for (let column = 0; column < side; column++) {
      const at = (row * side + column) * width;
      for (let i = 0; i < quarter; i++) {
        const frequency = MAX_PERIOD ** (-i / quarter);
        out[at + i] = Math.sin(column * frequency);
        out[at + quarter + i] = Math.cos(column * frequency);
        out[at + 2 * quarter + i] = Math.sin(row * frequency);
        out[at + 3 * quarter + i] = Math.cos(row * frequency);
      }
    }
  }
  return out;
}
