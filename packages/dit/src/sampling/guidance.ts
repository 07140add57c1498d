import { ArgumentError, type Tensor, type TensorOps } from '@vq4dit/core';
import { type DiTConfig, hasNullLabel } from '../config/config.ts';
import type { HostVector } from '../model/embed.ts';

/**
 * Channels that guidance is applied to: the first three, as in the reference, or all image
 * channels where there are fewer. (Published DiT samples of 4-channel latents guide three.)
 */
export function guidedChannels(config: DiTConfig): number {
  return Math.min(3, config.inChannels);
}

/** @throws ArgumentError where the scale is no number, or the model has no null label to guide by */
export function checkGuidance(config: DiTConfig, cfgScale: number): void {
  if (!Number.isFinite(cfgScale)) {
    throw new ArgumentError(`The guidance scale must be a number, not ${cfgScale}.`);
  }
  if (cfgScale !== 1 && !hasNullLabel(config)) {
    throw new ArgumentError(
      `Guidance needs a null label, and the model was trained without label dropout; use guidance scale 1, not ${cfgScale}.`,
    );
  }
}

/** The labels, then as many null labels: a batch for guidance. */
export function withNullLabels(config: DiTConfig, labels: HostVector): Int32Array {
  const doubled = new Int32Array(2 * labels.length).fill(config.numClasses);
  doubled.set(labels);
  return doubled;
}

/**
 * Classifier-free guidance (Ho & Salimans 2022): eps = eps_null + scale (eps_label - eps_null) on the
 * guided channels. All other channels, the variance among them, are those of the labelled half.
 *
 * @param output of the model for a batch with {@link withNullLabels}, [2N, C or 2C, H, W]
 * @returns [N, C or 2C, H, W]
 */
export function applyGuidance(
  ops: TensorOps,
  config: DiTConfig,
  output: Tensor,
  cfgScale: number,
): Tensor {
  const [doubled, channels, height, width] = output.shape as [number, number, number, number];
  const n = doubled / 2;
  const guided = guidedChannels(config);
  return ops.scope((s) => {
    const part = (image: number, channel: number, count: number) =>
      s.slice(output, [image, channel, 0, 0], [n, count, height, width]);
    const labelled = part(0, 0, guided);
    const unlabelled = part(n, 0, guided);
    const difference = s.mul(s.sub(labelled, unlabelled), s.scalar(cfgScale));
    const eps = s.add(unlabelled, difference);
    return guided === channels ? eps : s.concat([eps, part(0, guided, channels - guided)], 1);
  });
}
