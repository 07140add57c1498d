import type { FeatureSet } from '../metrics/pairwise.ts';
import { type GaussianStatistics, StatisticsAccumulator } from '../metrics/statistics.ts';
import type { FeatureNetwork } from '../networks/network.ts';
import type { FeatureStore } from './feature-store.ts';

/** What the metrics need of a set of images. Spatial features are kept as statistics only. */
export interface GatheredFeatures {
  readonly count: number;
  readonly pooled: FeatureSet;
  readonly statistics: GaussianStatistics;
  readonly spatial: GaussianStatistics;
  /** [count, classes] */
  readonly logits: Float32Array;
  /** Statistics of the first n images, for every n that was asked for. */
  readonly prefixes: ReadonlyMap<
    number,
    { readonly statistics: GaussianStatistics; readonly spatial: GaussianStatistics }
  >;
}

/**
 * Reads stored features in one pass, one file at a time.
 *
 * @param prefixes also take the statistics of the first so many images
 * @throws ArgumentError with fewer than two images
 */
export async function gather(
  store: FeatureStore,
  samples: number,
  network: Pick<FeatureNetwork, 'features' | 'spatialFeatures' | 'classes'>,
  prefixes: readonly number[] = [],
): Promise<GatheredFeatures> {
  const { features, spatialFeatures, classes } = network;
  const pooled = new Float32Array(samples * features);
  const logits = new Float32Array(samples * classes);
  const statistics = new StatisticsAccumulator(features);
  const spatial = new StatisticsAccumulator(spatialFeatures);
  const found = new Map<number, { statistics: GaussianStatistics; spatial: GaussianStatistics }>();
  const marks = [...prefixes].filter((n) => n < samples).sort((a, b) => a - b);
  for await (const { first, count, features: part } of store.read(samples)) {
    pooled.set(part.pooled, first * features);
    logits.set(part.logits, first * classes);
    let from = 0;
    const addUpTo = (to: number) => {
      statistics.add(part.pooled.subarray(from * features, to * features));
      spatial.add(part.spatial.subarray(from * spatialFeatures, to * spatialFeatures));
      from = to;
    };
    while (marks.length > 0 && marks[0]! <= first + count) {
      const mark = marks.shift()!;
      addUpTo(mark - first);
      found.set(mark, { statistics: statistics.finish(), spatial: spatial.finish() });
    }
    addUpTo(count);
  }
  const all = { statistics: statistics.finish(), spatial: spatial.finish() };
  if (prefixes.includes(samples)) found.set(samples, all);
  return { count: samples, pooled: { vectors: pooled, features }, ...all, logits, prefixes: found };
}
