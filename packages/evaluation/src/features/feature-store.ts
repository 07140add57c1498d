import { access, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  openSafetensors,
  outputError,
  type TensorToWrite,
  writeFileAtomic,
  writeSafetensors,
} from '@vq4dit/checkpoint';
import { ArgumentError } from '@vq4dit/core';
import type { ByteImages, FeatureNetwork, ImageFeatures } from '../networks/network.ts';

/** Images of one file where nothing else is said; an interrupted run loses at most so many. */
export const STORE_BATCH = 100;

/** The features of consecutive images, and the images themselves where they were kept. */
export interface StoredBatch {
  /** Number of the first image. */
  readonly first: number;
  readonly count: number;
  readonly features: ImageFeatures;
  readonly images: ByteImages | undefined;
}

/** How many numbers a network gives for an image. */
export type FeatureSizes = Pick<FeatureNetwork, 'features' | 'spatialFeatures' | 'classes'>;

/**
 * The features of a set of images in a folder: one file for each {@link FeatureStore.batch} images, each
 * written whole or not at all, so that a run may be killed at any time and goes on where it was.
 * Asking for more images later adds files; those that are there are used again.
 */
export class FeatureStore {
  readonly path: string;
  /** Images of one file. */
  readonly batch: number;
  private readonly sizes: FeatureSizes;

  private constructor(path: string, sizes: FeatureSizes, batch: number) {
    this.path = path;
    this.sizes = sizes;
    this.batch = batch;
  }

  /**
   * Opens the folder of an earlier run on the same images, or makes a new one.
   *
   * @param identity all that decides the features: where the images come from, and the network
   * @param batch images of one file
   * @throws ArgumentError where the folder holds features of something else
   * @throws OutputError where it cannot be written
   */
  static async open(
    path: string,
    identity: unknown,
    sizes: FeatureSizes,
    batch: number = STORE_BATCH,
  ): Promise<FeatureStore> {
    const text = `${JSON.stringify({ version: 1, batch, of: identity }, null, 2)}\n`;
    const file = join(path, 'images.json');
    const found = await readFile(file, 'utf8').catch(() => undefined);
    if (found !== undefined && found !== text) {
      throw new ArgumentError(
        `${path} holds features of other images, or of another network or other options; choose another folder or remove it.`,
      );
    }
    if (found === undefined) {
      try {
        await mkdir(path, { recursive: true });
      } catch (error) {
        throw outputError(path, error);
      }
      await writeFileAtomic(file, [new TextEncoder().encode(text)]);
    }
    return new FeatureStore(path, sizes, batch);
  }

  /**
   * The images among the first `samples` that are not there yet, as ranges [from, to) of whole files.
   *
   * @param keepImages of the first so many the pixels must be there as well
   */
  async missing(samples: number, keepImages = 0): Promise<(readonly [number, number])[]> {
    const ranges: [number, number][] = [];
    for (let first = 0; first < samples; first += this.batch) {
      const end = Math.min(samples, first + this.batch);
      if ((await this.countOf(first, first < keepImages)) >= end - first) continue;
      const last = ranges.at(-1);
      if (last?.[1] === first) last[1] = end;
      else ranges.push([first, end]);
    }
    return ranges;
  }

  /** Writes the features of images from number `first`, a multiple of {@link FeatureStore.batch}. */
  async write(first: number, features: ImageFeatures, images?: ByteImages): Promise<void> {
    const { sizes } = this;
    const count = features.pooled.length / sizes.features;
    const tensors: TensorToWrite[] = [
      tensor('pooled', [count, sizes.features], features.pooled),
      tensor('spatial', [count, sizes.spatialFeatures], features.spatial),
      tensor('logits', [count, sizes.classes], features.logits),
    ];
    if (images) {
      const { height, width, channels, values } = images;
      tensors.push({
        ...{ name: 'images', dtype: 'U8', shape: [count, height, width, channels] },
        data: () => values,
      });
    }
    await writeSafetensors(this.fileOf(first), tensors);
  }

  /** The batches of the first `samples` images, in order; one at a time is in memory. */
  async *read(samples: number): AsyncGenerator<StoredBatch, void, undefined> {
    for (let first = 0; first < samples; first += this.batch) {
      const count = Math.min(this.batch, samples - first);
      const file = await openSafetensors(this.fileOf(first));
      try {
        const part = async (name: string, width: number) =>
          (await file.readFloat32(name)).subarray(0, count * width);
        const { features, spatialFeatures, classes } = this.sizes;
        yield {
          ...{ first, count },
          features: {
            pooled: await part('pooled', features),
            spatial: await part('spatial', spatialFeatures),
            logits: await part('logits', classes),
          },
          images: file.has('images') ? imagesOf(await file.read('images'), count) : undefined,
        };
      } finally {
        await file.close();
      }
    }
  }

  private fileOf(first: number): string {
    return join(this.path, `features-${String(first).padStart(6, '0')}.safetensors`);
  }

  /** Images in the file that begins with number `first`; 0 where it has to be made. */
  private async countOf(first: number, withImages: boolean): Promise<number> {
    const path = this.fileOf(first);
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (!there) return 0;
    const file = await openSafetensors(path);
    try {
      if (withImages && !file.has('images')) return 0;
      const [count, width] = file.entry('pooled').shape;
      return width === this.sizes.features ? count! : 0;
    } finally {
      await file.close();
    }
  }
}

function tensor(name: string, shape: number[], values: Float32Array): TensorToWrite {
  const data = () => new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
  return { name, dtype: 'F32', shape, data };
}

function imagesOf(
  { shape, data }: { readonly shape: readonly number[]; readonly data: Uint8Array },
  count: number,
): ByteImages {
  const [, height, width, channels] = shape as [number, number, number, number];
  const values = data.subarray(0, count * height * width * channels);
  return { count, height, width, channels, values };
}
