import { RandomStream } from '@vq4dit/core';

/**
 * Standard normal noise, addressed by image and step, so that an image depends neither on the
 * others of its batch nor on how many there are.
 */
export interface NoiseSource {
  /** Fills `out` with x_T of an image, [C, H, W]. */
  initial(image: number, out: Float32Array): void;
  /** Fills `out` with the noise of an image's `count`-th step, counted from 0 in order of sampling. */
  step(image: number, count: number, out: Float32Array): void;
}

/** Noise from a seed: the same on every backend and machine, whatever the batch. */
export function seededNoise(seed: number | bigint): NoiseSource {
  return streamNoise(new RandomStream(seed, 'diffusion'));
}

/** Noise from sub-streams of `stream`; what was drawn from it before makes no difference. */
export function streamNoise(stream: RandomStream): NoiseSource {
  return {
    initial: (image, out) => void stream.derive('initial', image).fillNormal(out),
    step: (image, count, out) => void stream.derive('step', image, count).fillNormal(out),
  };
}
