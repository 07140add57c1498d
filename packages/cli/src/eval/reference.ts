import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { openSafetensors } from '@vq4dit/checkpoint';
import { InputError } from '@vq4dit/core';
import {
  checkReference,
  collectFeatures,
  type FeatureNetwork,
  FeatureStore,
  gather,
  npzStatistics,
  openNpz,
  type Reference,
  safetensorsReference,
} from '@vq4dit/evaluation';
import type { CommandContext } from '../context.ts';
import { countMissing } from './missing.ts';
import type { OpenNetwork } from './network.ts';
import { type ImageFiles, openImages } from './target.ts';

/**
 * Loads what images are compared with: a .safetensors file as the demo model has it, an ADM reference
 * batch (.npz), or a folder of PNG files. Images in it go through the network once; their features
 * are kept in `cache`.
 *
 * @throws ArgumentError where it was made with another network
 */
export async function loadReference(
  context: CommandContext,
  path: string,
  { network, sha256 }: OpenNetwork,
  cache: string,
): Promise<Reference> {
  const reference = path.endsWith('.safetensors')
    ? await readTensors(path)
    : await readImages(context, path, network, { sha256, cache });
  checkReference(reference, network);
  return reference;
}

async function readTensors(path: string): Promise<Reference> {
  const file = await openSafetensors(path);
  try {
    return await safetensorsReference(file);
  } finally {
    await file.close();
  }
}

async function readImages(
  context: CommandContext,
  path: string,
  network: FeatureNetwork,
  { sha256, cache }: { sha256: string; cache: string },
): Promise<Reference> {
  const recorded = path.endsWith('.npz') ? await statisticsIn(path) : { onlyThose: false };
  const { onlyThose, ...statistics } = recorded;
  if (onlyThose) return { name: path, ...statistics };
  const images = await openImages(path);
  if (!images) {
    throw new InputError(
      `${path}: a reference is a .npz or .safetensors file, or a folder of PNG files.`,
    );
  }
  try {
    const own = await featuresOf(context, images, network, { sha256, cache });
    return {
      name: path,
      pooled: own.pooled,
      statistics: own.statistics,
      spatial: own.spatial,
      ...statistics,
    };
  } finally {
    await images.close();
  }
}

/** Statistics that the file brings, and whether there is nothing else in it. */
async function statisticsIn(path: string) {
  const file = await openNpz(path);
  try {
    const statistics = await npzStatistics(file);
    return { ...statistics, onlyThose: !file.names().includes('arr_0') };
  } finally {
    file.close();
  }
}

async function featuresOf(
  context: CommandContext,
  images: ImageFiles,
  network: FeatureNetwork,
  { sha256, cache }: { sha256: string; cache: string },
) {
  const ops = await context.ops();
  const samples = images.source.count!;
  const identity = { images: images.identity, network: sha256, backend: ops.backend.id };
  const name = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 8);
  const store = await FeatureStore.open(join(cache, `reference-${name}`), identity, network);
  const left = countMissing(await store.missing(samples));
  const task = context.reporter.task('Reference images', Math.max(1, left));
  try {
    await collectFeatures(ops, network, images.source, store, {
      samples,
      signal: context.signal,
      onProgress: (done) => task.update(done),
    });
  } finally {
    task.end();
  }
  return gather(store, samples, network);
}
