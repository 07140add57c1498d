import { InterruptedError, type TensorOps } from '@vq4dit/core';
import type { ByteImages, FeatureNetwork, ImageFeatures } from '../networks/network.ts';
import type { FeatureStore } from './feature-store.ts';
import type { ImageSource } from './image-source.ts';

/** Options of {@link collectFeatures}. */
export interface CollectOptions {
  readonly samples: number;
  /** Keeps the first so many images beside their features, rounded up to whole files. Default 0. */
  readonly keepImages?: number;
  readonly signal?: AbortSignal;
  /** Called with the images of this run that are done, from 0 on. */
  readonly onProgress?: (done: number) => void;
}

/**
 * Runs a feature network over images and stores what it says. What an earlier run has stored is not
 * computed again.
 *
 * @throws ArgumentError where the source has fewer images, or of a kind that the network does not take
 * @throws InterruptedError when the signal is aborted, between two batches
 */
export async function collectFeatures(
  ops: TensorOps,
  network: FeatureNetwork,
  source: ImageSource,
  store: FeatureStore,
  { samples, keepImages = 0, signal, onProgress }: CollectOptions,
): Promise<void> {
  let done = 0;
  onProgress?.(0);
  for (const [from, to] of await store.missing(samples, keepImages)) {
    let first = from;
    for await (const images of source.batches(from, to, store.batch)) {
      const features = await runInBatches(ops, network, images);
      await store.write(first, features, first < keepImages ? images : undefined);
      first += images.count;
      done += images.count;
      onProgress?.(done);
      if (signal?.aborted) {
        throw new InterruptedError(
          `Stopped after ${done} images; run the same command again to go on, the features are in ${store.path}.`,
        );
      }
    }
  }
}

/** The features of many images, as many at once as the network likes. */
async function runInBatches(
  ops: TensorOps,
  network: FeatureNetwork,
  { count, height, width, channels, values }: ByteImages,
): Promise<ImageFeatures> {
  const image = height * width * channels;
  const out: ImageFeatures = {
    pooled: new Float32Array(count * network.features),
    spatial: new Float32Array(count * network.spatialFeatures),
    logits: new Float32Array(count * network.classes),
  };
  for (let first = 0; first < count; first += network.batch) {
    const own = Math.min(network.batch, count - first);
    const part = values.subarray(first * image, (first + own) * image);
    const got = await network.run(ops, { count: own, height, width, channels, values: part });
    out.pooled.set(got.pooled, first * network.features);
    out.spatial.set(got.spatial, first * network.spatialFeatures);
    out.logits.set(got.logits, first * network.classes);
  }
  return out;
}
