import { ShapeError, type Tensor, type TensorOps } from '@vq4dit/core';

/** Rows of one side that are compared at a time; bounds memory at rows x N values. */
const BAND = 1024;

/** Feature vectors on the host. */
export interface FeatureSet {
  /** [N, features], row-major. */
  readonly vectors: Float32Array;
  readonly features: number;
}

/** N. @throws ShapeError where the length is not a multiple of the features */
export function countOf({ vectors, features }: FeatureSet): number {
  const count = vectors.length / features;
  if (!Number.isInteger(count)) {
    throw new ShapeError(
      `${vectors.length} values are not a whole number of vectors of ${features} features.`,
    );
  }
  return count;
}

/**
 * Squared distances between all rows of a and b, |x|^2 - 2 x.y + |y|^2, band by band: the products
 * on the device, the norms in float64. Both sets are first centred on the mean of `a`, which keeps
 * the terms of the difference small.
 *
 * @param visit is given each band: rows [from, from + rows) of a, distances [rows, count of b], at least 0
 * @throws ShapeError where the features differ
 */
export async function pairwiseDistances(
  ops: TensorOps,
  a: FeatureSet,
  b: FeatureSet,
  visit: (from: number, rows: number, distances: Float64Array) => void,
): Promise<void> {
  if (a.features !== b.features) {
    throw new ShapeError(
      `Cannot compare ${a.features} features with ${b.features}; use the same feature network.`,
    );
  }
  const { features } = a;
  const [countA, countB] = [countOf(a), countOf(b)];
  const centre = meanOf(a);
  const [left, right] = [centred(a, centre), centred(b, centre)];
  const [normsA, normsB] = [norms(left, features), norms(right, features)];
  await ops.scope(async (s) => {
    const columns = s.tensor(right, [countB, features]);
    for (let from = 0; from < countA; from += BAND) {
      const rows = Math.min(BAND, countA - from);
      const products = await s.scope((band) => readProducts(band, left, from, rows, columns));
      const distances = new Float64Array(rows * countB);
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < countB; j++) {
          const at = i * countB + j;
          const value = normsA[from + i]! - 2 * products[at]! + normsB[j]!;
          distances[at] = Math.max(0, value);
        }
      }
      visit(from, rows, distances);
    }
  });
}

function readProducts(
  ops: TensorOps,
  values: Float32Array,
  from: number,
  rows: number,
  columns: Tensor,
): Promise<Float32Array> {
  const features = columns.shape[1]!;
  const part = values.slice(from * features, (from + rows) * features);
  const band = ops.tensor(part, [rows, features]);
  return ops.read(ops.matmul(band, columns, { transposeB: true })); // [rows, count of b]
}

function meanOf(set: FeatureSet): Float64Array {
  const { vectors, features } = set;
  const mean = new Float64Array(features);
  vectors.forEach((value, i) => {
    mean[i % features]! += value;
  });
  const count = countOf(set);
  return mean.map((sum) => sum / count);
}

function centred({ vectors, features }: FeatureSet, centre: Float64Array): Float32Array {
  return vectors.map((value, i) => value - centre[i % features]!);
}

function norms(values: Float32Array, features: number): Float64Array {
  const out = new Float64Array(values.length / features);
  values.forEach((value, i) => {
    out[Math.floor(i / features)]! += value * value;
  });
  return out;
}
