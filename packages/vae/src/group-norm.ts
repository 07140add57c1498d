import type { Tensor, TensorOps } from '@vq4dit/core';
import type { FeatureMap } from './feature-map.ts';
import type { NormWeights } from './weights.ts';

const EPSILON = 1e-6;

/** A normalization whose statistics are known: x scale + shift, both [channels]. */
export interface Affine {
  readonly scale: Tensor;
  readonly shift: Tensor;
}

/**
 * Group normalization (Wu & He 2018) of a map as one factor and one summand for each channel; the
 * consumer applies them band by band, so that no normalized map is ever whole.
 *
 * Mean and squared deviation of each channel are taken within a band, around the band's own mean,
 * and put together on the host in float64 (Chan, Golub & LeVeque 1979). So neither the size of the
 * map nor a large mean costs digits.
 */
export async function groupNorm(
  ops: TensorOps,
  map: FeatureMap,
  groups: number,
  norm: NormWeights,
): Promise<Affine> {
  const { channels, width } = map;
  const bands = map.tensors();
  const counts = bands.map((band) => band.shape[0]!);
  const table = await ops.scope((s) => {
    const moments = bands.map((band) => bandMoments(s, band, width));
    return s.read(s.concat(moments, 0)); // [2 bands, channels]
  });
  const perGroup = channels / groups;
  const scale = new Float32Array(channels);
  const shift = new Float32Array(channels);
  for (let first = 0; first < channels; first += perGroup) {
    let count = 0;
    let mean = 0;
    let squares = 0;
    for (const [band, size] of counts.entries()) {
      for (let c = first; c < first + perGroup; c++) {
        const bandMean = table[2 * band * channels + c]!;
        const delta = bandMean - mean;
        const total = count + size;
        mean += (delta * size) / total;
        squares += table[(2 * band + 1) * channels + c]! + (delta * delta * count * size) / total;
        count = total;
      }
    }
    const inverse = 1 / Math.sqrt(squares / count + EPSILON);
    for (let c = first; c < first + perGroup; c++) {
      scale[c] = norm.weight[c]! * inverse;
      shift[c] = norm.bias[c]! - mean * norm.weight[c]! * inverse;
    }
  }
  return { scale: ops.tensor(scale, [channels]), shift: ops.tensor(shift, [channels]) };
}

/** Of each channel of a band: its mean, and the sum of squared deviations from it. [2, channels] */
function bandMoments(ops: TensorOps, band: Tensor, width: number): Tensor {
  const [pixels, channels] = band.shape as [number, number];
  // Row by row, then over rows: short sums round less.
  const total = (s: TensorOps, x: Tensor) =>
    s.sum(s.sum(s.reshape(x, [pixels / width, width, channels]), 1), 0, { keepDims: true });
  return ops.scope((s) => {
    const mean = s.mul(total(s, band), s.scalar(1 / pixels)); // [1, channels]
    const squares = total(s, s.square(s.sub(band, mean)));
    return s.concat([mean, squares], 0);
  });
}

/** x scale + shift of each channel. x [pixels, channels]. */
export function applyAffine(ops: TensorOps, x: Tensor, { scale, shift }: Affine): Tensor {
  return ops.scope((s) => s.add(s.mul(x, scale), shift));
}
