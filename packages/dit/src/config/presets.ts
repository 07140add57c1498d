import { ArgumentError } from '@vq4dit/core';
import type { DiTConfig } from './config.ts';

/** Depth, width and heads of the paper's models (Peebles & Xie 2022, table 1). */
const SIZES = {
  S: { depth: 12, hiddenSize: 384, numHeads: 6 },
  B: { depth: 12, hiddenSize: 768, numHeads: 12 },
  L: { depth: 24, hiddenSize: 1024, numHeads: 16 },
  XL: { depth: 28, hiddenSize: 1152, numHeads: 16 },
} as const;
const PATCHES = [2, 4, 8] as const;

/** Size and patch, as the paper names its models. */
export type DiTPresetName = `DiT-${'S' | 'B' | 'L' | 'XL'}/${2 | 4 | 8}`;

/** `DiT-S/2` to `DiT-XL/8`. */
export const DIT_PRESETS: readonly DiTPresetName[] = (['S', 'B', 'L', 'XL'] as const).flatMap(
  (size) => PATCHES.map((patch) => `DiT-${size}/${patch}` as const),
);

/** Whether `name` is one of {@link DIT_PRESETS}, in their spelling. */
export function isDiTPreset(name: string): name is DiTPresetName {
  return (DIT_PRESETS as readonly string[]).includes(name);
}

/**
 * One of the paper's models for ImageNet: 1000 classes, 4-channel latents at an eighth of the
 * image's size, learned sigma.
 *
 * @param imageSize height and width of the decoded image in pixels, usually 256 or 512
 * @throws ArgumentError for an unknown name or an image size the patches do not tile
 */
export function ditPreset(name: string, imageSize = 256): DiTConfig {
  if (!isDiTPreset(name)) {
    throw new ArgumentError(`There is no preset ${name}; there are ${DIT_PRESETS.join(', ')}.`);
  }
  const [, size, patch] = /^DiT-(\w+)\/(\d)$/.exec(name)!;
  const patchSize = Number(patch);
  if (!Number.isSafeInteger(imageSize) || imageSize < 1 || imageSize % (8 * patchSize) !== 0) {
    throw new ArgumentError(
      `${name} needs an image size that is a multiple of ${8 * patchSize}, not ${imageSize}.`,
    );
  }
  return {
    inputSize: imageSize / 8,
    patchSize,
    inChannels: 4,
    ...SIZES[size as keyof typeof SIZES],
    mlpRatio: 4,
    numClasses: 1000,
    classDropoutProb: 0.1,
    learnSigma: true,
  };
}

/** Heads of the paper's model with that width and depth, if there is one. */
export function presetHeads(hiddenSize: number, depth: number): number | undefined {
  return Object.values(SIZES).find((s) => s.hiddenSize === hiddenSize && s.depth === depth)
    ?.numHeads;
}
