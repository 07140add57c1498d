import { type DiTConfig, mlpWidth, tokenCount } from '@vq4dit/dit';
import { IMAGENET_CLASSES } from './imagenet-classes.ts';

/** What is drawn where the options do not say. */
export interface SampleDefaults {
  readonly labels: readonly number[];
  readonly steps: number;
  readonly cfgScale: number;
  /** Enlargement of pixels. */
  readonly scale: number;
}

/** Those of the original sampling script: eight classes whose images everybody knows. */
const ORIGINAL: SampleDefaults = {
  labels: [207, 360, 387, 974, 88, 979, 417, 279],
  steps: 250,
  cfgScale: 4,
  scale: 1,
};
/** How many classes a small model draws. */
const SMALL_CLASSES = 10;

/** Channels of the latents that the published models draw. */
const LATENT_CHANNELS = 4;

/** Whether the model draws latents, which an image decoder turns into pictures. */
export function isLatent({ inChannels }: DiTConfig): boolean {
  return inChannels !== 1 && inChannels !== 3;
}

/** The original's defaults for the latents of ImageNet; quicker ones for anything else. */
export function sampleDefaults(config: DiTConfig): SampleDefaults {
  const { inChannels, numClasses } = config;
  if (inChannels === LATENT_CHANNELS && numClasses === IMAGENET_CLASSES.length) return ORIGINAL;
  const labels = Array.from({ length: Math.min(SMALL_CLASSES, numClasses) }, (_, i) => i);
  return { labels, steps: 50, cfgScale: 1.5, scale: 3 };
}

/** Bytes of the widest activation of a batch; a few of this size are alive at once. */
const ACTIVATION_BYTES = 32 << 20;
const MOST_IMAGES = 20;

/**
 * Images computed at once, so that the memory for activations does not grow with the model.
 *
 * @param most by default what is quick to show progress for
 */
export function defaultBatch(config: DiTConfig, guided: boolean, most = MOST_IMAGES): number {
  const image = 4 * tokenCount(config) * mlpWidth(config) * (guided ? 2 : 1);
  return Math.max(1, Math.min(most, Math.floor(ACTIVATION_BYTES / image)));
}
