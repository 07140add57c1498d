import { ArgumentError, type TensorOps } from '@vq4dit/core';
import type { GatheredFeatures } from './features/index.ts';
import {
  frechetDistance,
  type GaussianStatistics,
  inceptionScore,
  kernelDistance,
  precisionRecall,
} from './metrics/index.ts';
import type { FeatureNetwork } from './networks/index.ts';
import type { Reference } from './reference/index.ts';

/** Images per split of the Inception Score, as the ADM evaluation has it. */
const SPLIT = 5000;

/** A mean and the deviation around it. */
export interface Spread {
  readonly mean: number;
  readonly deviation: number;
}

/** All metrics of a set of images. What the reference has no data for is undefined. */
export interface ImageMetrics {
  readonly images: number;
  readonly fid?: number;
  readonly sfid?: number;
  /** Deviation between splits of 5,000 images; 0 where there is one. */
  readonly inceptionScore: Spread;
  readonly precision?: number;
  readonly recall?: number;
  /** Deviation between subsets. */
  readonly kid?: Spread;
  /** FID and sFID of the first n images. */
  readonly curve: readonly CurvePoint[];
}

/** How FID moves with the number of images. */
export interface CurvePoint {
  readonly images: number;
  readonly fid?: number;
  readonly sfid?: number;
}

/**
 * Compares a set of images with a reference.
 *
 * @throws ArgumentError where the reference has features of another network, or there are too few
 * images
 */
export async function imageMetrics(
  ops: TensorOps,
  set: GatheredFeatures,
  reference: Reference | undefined,
  network: Pick<FeatureNetwork, 'name' | 'features' | 'spatialFeatures' | 'classes'>,
): Promise<ImageMetrics> {
  if (reference) checkReference(reference, network);
  const distances = (images: number, own: Pick<GatheredFeatures, 'statistics' | 'spatial'>) => ({
    images,
    ...(reference?.statistics && { fid: frechetDistance(reference.statistics, own.statistics) }),
    ...(reference?.spatial && { sfid: frechetDistance(reference.spatial, own.spatial) }),
  });
  const splits = Math.max(1, Math.ceil(set.count / SPLIT));
  const real = reference?.pooled;
  // The roots of covariances come last: with many features they take minutes.
  const quick = {
    inceptionScore: inceptionScore(set.logits, network.classes, splits),
    ...(real && (await precisionRecall(ops, real, set.pooled))),
    ...(real && { kid: await kernelDistance(ops, real, set.pooled) }),
  };
  const curve = [...set.prefixes].map(([images, own]) => distances(images, own));
  return { ...distances(set.count, set), ...quick, curve };
}

/** @throws ArgumentError where the reference was made with another feature network */
export function checkReference(
  { name, statistics, spatial, pooled }: Reference,
  network: Pick<FeatureNetwork, 'name' | 'features' | 'spatialFeatures'>,
): void {
  const sizes: [string, number | undefined, number][] = [
    ['features', meanLength(statistics), network.features],
    ['features', pooled?.features, network.features],
    ['spatial features', meanLength(spatial), network.spatialFeatures],
  ];
  for (const [what, found, expected] of sizes) {
    if (found === undefined || found === expected) continue;
    throw new ArgumentError(
      `${name} has ${found} ${what}, but ${network.name} gives ${expected}; use a reference batch of that network.`,
    );
  }
}

const meanLength = (statistics: GaussianStatistics | undefined) => statistics?.mean.length;
