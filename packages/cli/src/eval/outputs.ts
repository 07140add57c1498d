import { littleEndianBytes, writeFileAtomic } from '@vq4dit/checkpoint';
import {
  type ByteImages,
  type FeatureNetwork,
  type FeatureStore,
  type GaussianStatistics,
  gather,
  type NpzEntry,
  writeNpz,
} from '@vq4dit/evaluation';
import { encodeGrid, type ImageBatch } from '../sample/grid.ts';

/** The first images of a store, whose pixels were kept. */
export async function firstImages(store: FeatureStore, count: number): Promise<ByteImages[]> {
  const images: ByteImages[] = [];
  for await (const batch of store.read(count)) images.push(batch.images!);
  return images;
}

/** Writes images as a grid, ten in a row. */
export async function writeImageGrid(
  path: string,
  parts: readonly ByteImages[],
  scale: number,
): Promise<void> {
  const rows = parts.flatMap(toBatches);
  await writeFileAtomic(path, [encodeGrid(rows, scale)]);
}

const IN_A_ROW = 10;

/** Rows of ten images, as [N, C, H, W] in [-1, 1]. */
function toBatches({ count, height, width, channels, values }: ByteImages): ImageBatch[] {
  const pixels = height * width;
  const rows: ImageBatch[] = [];
  for (let first = 0; first < count; first += IN_A_ROW) {
    const own = Math.min(IN_A_ROW, count - first);
    const row = new Float32Array(own * channels * pixels);
    for (let i = 0; i < row.length; i++) {
      const [p, c, n] = [
        i % pixels,
        Math.floor(i / pixels) % channels,
        Math.floor(i / pixels / channels),
      ];
      row[i] = values[((first + n) * pixels + p) * channels + c]! / 127.5 - 1;
    }
    rows.push({ values: row, shape: [own, channels, height, width] });
  }
  return rows;
}

/**
 * Writes a set of images as a reference batch in the format of ADM: `arr_0` with the images, and
 * mean and covariance of features (`mu`, `sigma`) and spatial features (`mu_s`, `sigma_s`).
 */
export async function writeReferenceBatch(
  path: string,
  store: FeatureStore,
  samples: number,
  network: Pick<FeatureNetwork, 'features' | 'spatialFeatures' | 'classes'>,
  signal: AbortSignal,
): Promise<void> {
  const { statistics, spatial } = await gather(store, samples, network);
  const [first] = await firstImages(store, 1);
  const { height, width, channels } = first!;
  const images: NpzEntry = {
    ...{ name: 'arr_0', dtype: 'uint8', shape: [samples, height, width, channels] },
    async *data() {
      for await (const batch of store.read(samples)) yield batch.images!.values;
    },
  };
  const entries = [images, ...pair('mu', 'sigma', statistics), ...pair('mu_s', 'sigma_s', spatial)];
  await writeNpz(path, entries, { signal });
}

function pair(mean: string, covariance: string, of: GaussianStatistics): NpzEntry[] {
  const features = of.mean.length;
  return [
    { name: mean, dtype: 'float64', shape: [features], data: () => [littleEndianBytes(of.mean)] },
    {
      ...{ name: covariance, dtype: 'float64', shape: [features, features] },
      data: () => [littleEndianBytes(of.covariance)],
    },
  ];
}
