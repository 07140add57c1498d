import { createHash } from 'node:crypto';
import { basename, dirname, join, resolve } from 'node:path';
import { ArgumentError, type TensorOps } from '@vq4dit/core';
import {
  collectFeatures,
  type FeatureNetwork,
  FeatureStore,
  gather,
  type ImageMetrics,
  type ImageSource,
  imageMetrics,
} from '@vq4dit/evaluation';
import type { CommandContext } from '../context.ts';
import { DEMO_FILES } from '../demo-files.ts';
import { defaultBatch, isLatent } from '../sample/defaults.ts';
import { countMissing } from './missing.ts';
import {
  type ImageKind,
  isDemoKind,
  networkFile,
  type OpenNetwork,
  openNetwork,
} from './network.ts';
import { loadReference } from './reference.ts';
import { type SamplingSettings, sampledImages } from './sampled-images.ts';
import type { Drawer, ImageFiles } from './target.ts';

/** Images drawn where nothing else is said. */
export const DEFAULT_SAMPLES = 10_000;
/** Images of one file of features, at most; what a killed run loses. */
const MOST_AT_ONCE = 100;
/** Pixels of an image for each of a latent. */
const LATENT_SCALE = 8;

/** What an evaluation is to do. */
export interface EvalJob {
  readonly target: Drawer | ImageFiles;
  readonly network?: string | undefined;
  readonly reference?: string | undefined;
  /** Default: all images of files, 10,000 of a model. */
  readonly samples?: number | undefined;
  readonly settings: SamplingSettings;
  readonly batch?: number | undefined;
  /** Where features are kept; default: a name made of the target's, under `out/eval`. */
  readonly out?: string | undefined;
  readonly cache?: string | undefined;
  /** Images whose pixels are kept as well. */
  readonly keepImages: number;
  readonly curve: readonly number[];
}

/** What an evaluation found, and what is needed to draw or write its images. */
export interface EvalResult {
  readonly metrics: ImageMetrics;
  readonly network: FeatureNetwork;
  readonly networkPath: string;
  readonly reference: string | undefined;
  readonly store: FeatureStore;
  /** Images that this run made, and how long it took for them. */
  readonly drawn: { readonly images: number; readonly seconds: number };
}

/** Collects features, as far as they are not there yet, and compares them with the reference. */
export async function runEval(context: CommandContext, job: EvalJob): Promise<EvalResult> {
  const { target } = job;
  const kind = await kindOf(target);
  const networkPath = networkFile(job.network, kind);
  const demo = isDemoKind(kind) && networkPath === DEMO_FILES.network;
  const reference = job.reference ?? (demo ? DEMO_FILES.reference : undefined);
  const samples = samplesOf(job);
  const ops = await context.ops();
  const opened = await openNetwork(ops, networkPath);
  const { network } = opened;
  using _ = network;
  const store = await openStore(ops, job, opened);
  const drawn = await collect(context, ops, job, { network, store, samples });
  const cache = job.cache ?? dirname(resolve(store.path));
  const against =
    reference === undefined ? undefined : await loadReference(context, reference, opened, cache);
  const set = await gather(store, samples, network, job.curve);
  const metrics = await imageMetrics(ops, set, against, network);
  return { metrics, network, networkPath, reference, store, drawn };
}

/** @throws ArgumentError where the files hold fewer images, or a point of the curve is beyond them */
function samplesOf({ target, samples: asked, curve }: EvalJob): number {
  const count = target.kind === 'images' ? target.source.count : undefined;
  const samples = asked ?? count ?? DEFAULT_SAMPLES;
  if (count !== undefined && samples > count) {
    throw new ArgumentError(`${target.path}: there are ${count} images, not ${samples}.`);
  }
  const beyond = curve.find((n) => n > samples);
  if (beyond !== undefined) {
    throw new ArgumentError(`--curve ${beyond}: only ${samples} images are evaluated.`);
  }
  return samples;
}

/** What the images will be like, without drawing one. */
async function kindOf(target: Drawer | ImageFiles): Promise<ImageKind> {
  if (target.kind === 'images') {
    for await (const batch of target.source.batches(0, 1, 1)) return batch;
    throw new ArgumentError(`${target.path}: there are no images in it.`);
  }
  const { config } = target.model;
  if (!isLatent(config)) {
    return { height: config.inputSize, width: config.inputSize, channels: config.inChannels };
  }
  const side = config.inputSize * LATENT_SCALE;
  return { height: side, width: side, channels: 3 };
}

function openStore(
  ops: TensorOps,
  { target, settings, batch, out }: EvalJob,
  { network, sha256 }: OpenNetwork,
): Promise<FeatureStore> {
  const identity = {
    images: target.identity,
    ...(target.kind === 'model' && { settings }),
    network: sha256,
    // Another one rounds otherwise, and the set would be one that no single run draws.
    backend: ops.backend.id,
  };
  const hash = createHash('sha256').update(JSON.stringify(identity)).digest('hex').slice(0, 8);
  const name = basename(resolve(target.path)).replace(/[^\w.-]+/g, '-');
  const path = out ?? join('out', 'eval', `${name}-${hash}`);
  const own =
    target.kind === 'model'
      ? defaultBatch(target.model.config, settings.guidance !== 1, MOST_AT_ONCE)
      : MOST_AT_ONCE;
  return FeatureStore.open(path, identity, network, batch ?? own);
}

async function collect(
  { reporter, signal }: CommandContext,
  ops: TensorOps,
  { target, settings, keepImages }: EvalJob,
  { network, store, samples }: { network: FeatureNetwork; store: FeatureStore; samples: number },
) {
  const left = countMissing(await store.missing(samples, keepImages));
  if (left < samples) {
    reporter.note(`${samples - left} of ${samples} images are there from an earlier run.`);
  }
  const label = target.kind === 'model' ? 'Drawing' : 'Images';
  const task = reporter.task(label, Math.max(1, left));
  const started = performance.now();
  let done = 0;
  const show = (share: number) => {
    task.update(done + Math.floor(share * Math.min(store.batch, left - done)), target.path);
  };
  const source: ImageSource =
    target.kind === 'images'
      ? target.source
      : sampledImages({ ...target, ops, settings, signal, onStep: show });
  try {
    await collectFeatures(ops, network, source, store, {
      ...{ samples, keepImages, signal },
      onProgress: (finished) => {
        done = finished;
        show(0);
      },
    });
  } finally {
    task.end();
  }
  return { images: left, seconds: (performance.now() - started) / 1000 };
}
