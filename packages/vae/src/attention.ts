import { linear, softmax, type Tensor, type TensorOps } from '@vq4dit/core';
import { FeatureMap } from './feature-map.ts';
import { type Affine, applyAffine } from './group-norm.ts';
import { ATTENTION, ATTENTION_PARTS } from './layers.ts';
import type { VaeWeights } from './weights.ts';

/** Bytes of attention scores at a time: 4096 positions have 67 MB of them altogether. */
const SCORE_BYTES = 16 << 20;

/**
 * Self-attention of the middle block, one head over all channels, added to its input, which is
 * freed. Queries are taken in bands, so that the table of scores is never whole.
 */
export async function attendSpatially(
  ops: TensorOps,
  { convolutions }: VaeWeights,
  map: FeatureMap,
  norm: Affine,
  pause: () => Promise<void>,
): Promise<FeatureMap> {
  const { height, width, channels } = map;
  const count = height * width; // T
  const [queries, keys, values, projection] = ATTENTION_PARTS.map((part) => {
    const { weight, bias } = convolutions.get(`${ATTENTION}.${part}`)!;
    return (s: TensorOps, x: Tensor) => linear(s, x, weight, { bias });
  });
  const [q, k, v] = ops.scope((s) => {
    const x = applyAffine(s, map.rows(s, 0, height), norm); // [T, C]
    const scaled = s.mul(queries!(s, x), s.scalar(1 / Math.sqrt(channels)));
    return [scaled, keys!(s, x), values!(s, x)] as const;
  });
  const step = Math.max(1, Math.min(height, Math.floor(SCORE_BYTES / (4 * count * width))));
  const output = new FeatureMap(height, width, channels);
  for (let from = 0; from < height; from += step) {
    await pause();
    const rows = Math.min(step, height - from);
    const band = ops.scope((s) => {
      const own = s.slice(q, [from * width, 0], [rows * width, channels]);
      const scores = s.matmul(own, k, { transposeB: true }); // [rows width, T]
      const mixed = s.matmul(softmax(s, scores), v);
      return s.add(projection!(s, mixed), map.rows(s, from, from + rows));
    });
    output.append(band);
    map.freeAbove(from + rows);
  }
  for (const tensor of [q, k, v]) tensor.dispose();
  return output;
}
