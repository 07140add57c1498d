import { ArgumentError, type TensorOps } from '@vq4dit/core';
import { countOf, type FeatureSet, pairwiseDistances } from './pairwise.ts';

/** Share of generated images that look real, and of real images that could have been generated. */
export interface PrecisionRecall {
  readonly precision: number;
  readonly recall: number;
}

/**
 * Precision and recall by nearest neighbours (Kynkäänniemi et al. 2019, algorithm 1): a set's
 * manifold is the union of balls around its vectors, each as large as the distance to its k-th
 * nearest neighbour; precision is the share of generated vectors inside the real manifold, recall
 * the share of real ones inside the generated manifold.
 *
 * @param k neighbours; the paper and the ADM evaluation use 3
 * @throws ArgumentError where a set has no k neighbours to offer
 * @throws ShapeError where the features differ
 */
export async function precisionRecall(
  ops: TensorOps,
  real: FeatureSet,
  generated: FeatureSet,
  k = 3,
): Promise<PrecisionRecall> {
  const radii = {
    real: await ballRadii(ops, real, k),
    generated: await ballRadii(ops, generated, k),
  };
  const [countReal, countGenerated] = [countOf(real), countOf(generated)];
  const covered = new Uint8Array(countGenerated);
  let recalled = 0;
  await pairwiseDistances(ops, real, generated, (from, rows, distances) => {
    for (let i = 0; i < rows; i++) {
      let inside = false;
      for (let j = 0; j < countGenerated; j++) {
        const distance = distances[i * countGenerated + j]!;
        if (distance <= radii.real[from + i]!) covered[j] = 1;
        if (distance <= radii.generated[j]!) inside = true;
      }
      if (inside) recalled++;
    }
  });
  const precise = covered.reduce((sum, one) => sum + one, 0);
  return { precision: precise / countGenerated, recall: recalled / countReal };
}

/** Squared distance of each vector to its k-th nearest neighbour in its own set. */
async function ballRadii(ops: TensorOps, set: FeatureSet, k: number): Promise<Float64Array> {
  const count = countOf(set);
  if (!Number.isInteger(k) || k < 1 || count <= k) {
    throw new ArgumentError(
      `Precision and recall need more than ${k} images on each side, got ${count}; give more images.`,
    );
  }
  const radii = new Float64Array(count);
  await pairwiseDistances(ops, set, set, (from, rows, distances) => {
    const nearest = new Float64Array(k);
    for (let i = 0; i < rows; i++) {
      nearest.fill(Number.POSITIVE_INFINITY);
      for (let j = 0; j < count; j++) {
        if (j === from + i) continue;
        insert(nearest, distances[i * count + j]!);
      }
      radii[from + i] = nearest[k - 1]!;
    }
  });
  return radii;
}

/** Keeps the smallest values seen, in ascending order. */
function insert(smallest: Float64Array, value: number): void {
  let at = smallest.length - 1;
  if (value >= smallest[at]!) return;
  for (; at > 0 && smallest[at - 1]! > value; at--) smallest[at] = smallest[at - 1]!;
  smallest[at] = value;
}
