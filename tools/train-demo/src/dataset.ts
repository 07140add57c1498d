import { createHash } from 'node:crypto';
import { access } from 'node:fs/promises';
import { join } from 'node:path';
import { FileFormatError, InputError } from '@vq4dit/core';
import { readIdx } from './idx.ts';

/** Labelled greyscale images, all in memory. */
export interface Dataset {
  readonly count: number;
  /** Height and width. */
  readonly size: number;
  /** [count, size, size], 0 to 255. */
  readonly images: Uint8Array;
  /** [count] */
  readonly labels: Uint8Array;
  /** SHA-256 over images and labels, however they were packed. */
  readonly digest: string;
}

/** Names of the training set in MNIST and all that follow it; `.gz` may be added to each. */
export const IMAGES_FILE = 'train-images-idx3-ubyte';
export const LABELS_FILE = 'train-labels-idx1-ubyte';

/**
 * Reads the training set from a folder.
 *
 * @param classes how many there are; every label must be below
 * @throws InputError where a file is missing or cannot be read
 * @throws FileFormatError where one is malformed, or both do not fit together
 */
export async function loadDataset(folder: string, classes: number): Promise<Dataset> {
  const imagesPath = await find(folder, IMAGES_FILE);
  const labelsPath = await find(folder, LABELS_FILE);
  const images = await readIdx(imagesPath);
  const labels = await readIdx(labelsPath);
  const [count, height, width] = images.shape;
  if (images.shape.length !== 3 || height !== width) {
    throw new FileFormatError(
      `${imagesPath}: expected square images [count, size, size], got [${images.shape.join(', ')}].`,
    );
  }
  if (labels.shape.length !== 1 || labels.shape[0] !== count) {
    throw new FileFormatError(
      `${labelsPath}: expected one label for each of ${count} images, got [${labels.shape.join(', ')}].`,
    );
  }
  const bad = labels.data.findIndex((label) => label >= classes);
  if (bad >= 0) {
    throw new FileFormatError(
      `${labelsPath}: image ${bad} has label ${labels.data[bad]}, but the model's classes are 0 to ${classes - 1}.`,
    );
  }
  const digest = createHash('sha256').update(images.data).update(labels.data).digest('hex');
  return { count: count!, size: height!, images: images.data, labels: labels.data, digest };
}

async function find(folder: string, name: string): Promise<string> {
  for (const path of [join(folder, name), join(folder, `${name}.gz`)]) {
    const there = await access(path).then(
      () => true,
      () => false,
    );
    if (there) return path;
  }
  throw new InputError(
    `${folder}: neither ${name} nor ${name}.gz is there; --data must name the folder with the training set's idx files (docs/train-demo.md says where they come from).`,
  );
}
