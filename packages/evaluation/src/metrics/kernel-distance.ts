import { ArgumentError, RandomStream, type Tensor, type TensorOps } from '@vq4dit/core';
import { countOf, type FeatureSet } from './pairwise.ts';

/** Options of {@link kernelDistance}. */
export interface KernelDistanceOptions {
  /** Vectors of each side in one subset. Default 1000, at most what there is. */
  readonly subsetSize?: number;
  /** Subsets, drawn without replacement each. Default 100. */
  readonly subsets?: number;
  /** Default 0. */
  readonly seed?: number | bigint;
}

/**
 * The Kernel Inception Distance (Bińkowski et al. 2018, section 3.2): the unbiased estimate of the
 * squared maximum mean discrepancy with the kernel (x.y / F + 1)^3, averaged over random subsets.
 * It may be slightly negative.
 *
 * @throws ArgumentError with fewer than two vectors on a side or where the features differ
 */
export async function kernelDistance(
  ops: TensorOps,
  real: FeatureSet,
  generated: FeatureSet,
  options: KernelDistanceOptions = {},
): Promise<{ readonly mean: number; readonly deviation: number }> {
  const { subsets = 100, seed = 0 } = options;
  const { features } = real;
  if (features !== generated.features) {
    throw new ArgumentError(
      `Cannot compare ${features} features with ${generated.features}; use the same feature network.`,
    );
  }
  const most = Math.min(countOf(real), countOf(generated));
  const size = Math.min(options.subsetSize ?? 1000, most);
  if (!Number.isInteger(size) || size < 2 || !Number.isInteger(subsets) || subsets < 1) {
    throw new ArgumentError(
      `The kernel distance needs subsets of at least 2 images, got ${subsets} of ${size}; give more images.`,
    );
  }
  const estimates: number[] = [];
  for (let i = 0; i < subsets; i++) {
    const stream = new RandomStream(seed, 'kernel-distance', i);
    const x = pick(real, size, stream.derive('real'));
    const y = pick(generated, size, stream.derive('generated'));
    estimates.push(await discrepancy(ops, x, y, size, features));
  }
  const mean = estimates.reduce((a, b) => a + b, 0) / subsets;
  const variance = estimates.reduce((sum, value) => sum + (value - mean) ** 2, 0) / subsets;
  return { mean, deviation: Math.sqrt(variance) };
}

/** `size` different vectors, by a partial Fisher-Yates shuffle. */
function pick(set: FeatureSet, size: number, stream: RandomStream): Float32Array {
  const { vectors, features } = set;
  const order = Int32Array.from({ length: countOf(set) }, (_, i) => i);
  const out = new Float32Array(size * features);
  for (let i = 0; i < size; i++) {
    const other = i + stream.integer(order.length - i);
    const row = order[other]!;
    order[other] = order[i]!;
    out.set(vectors.subarray(row * features, (row + 1) * features), i * features);
  }
  return out;
}

/** mean k(x, x') + mean k(y, y') - 2 mean k(x, y), over different vectors in the first two. */
async function discrepancy(
  ops: TensorOps,
  xs: Float32Array,
  ys: Float32Array,
  size: number,
  features: number,
): Promise<number> {
  return ops.scope(async (s) => {
    const [x, y] = [s.tensor(xs, [size, features]), s.tensor(ys, [size, features])];
    const products = (a: Tensor, b: Tensor) => s.read(s.matmul(a, b, { transposeB: true }));
    const pairs = size * (size - 1);
    const xx = kernelSum(await products(x, x), size, features, true) / pairs;
    const yy = kernelSum(await products(y, y), size, features, true) / pairs;
    return xx + yy - (2 * kernelSum(await products(x, y), size, features, false)) / size ** 2;
  });
}

/** The sum of (p / F + 1)^3 over products p [size, size], with or without the diagonal. */
function kernelSum(
  products: Float32Array,
  size: number,
  features: number,
  skipDiagonal: boolean,
): number {
  let sum = 0;
  for (let i = 0; i < size; i++) {
    for (let j = 0; j < size; j++) {
      if (skipDiagonal && i === j) continue;
      const base = products[i * size + j]! / features + 1;
      // Much faster than a power, and there are hundreds of millions of them.
      sum += base * base * base;
    }
  }
  return sum;
}
