import { type NoiseSource, parseDiTConfig } from '../../src/index.ts';
import { loadFixture, loadJson } from './safetensors.ts';

/** The recorded model: random weights, and what PyTorch made of them. */
export const golden = loadFixture('dit-tiny.golden.safetensors');
export const checkpoint = loadFixture('dit-tiny.safetensors');
export const { config } = parseDiTConfig(loadJson('dit-tiny.config.json'), 'dit-tiny.config.json');
export const labels = JSON.parse(golden.metadata.labels!) as number[];
export const cfgScale = Number(golden.metadata.cfg_scale);
export const steps = Number(golden.metadata.steps);

/** Values of image i in a recorded batch [..., image, C, H, W]; `at` picks along the first axis. */
export function recordedImage(name: string, image: number, at = 0): Float32Array {
  const shape = golden.shape(name);
  const size = shape.slice(-3).reduce((a, b) => a * b);
  const batch = shape.at(-4)!;
  const begin = (at * batch + image) * size;
  return golden.f32(name).slice(begin, begin + size);
}

/** The noise that the recorded trajectories were sampled with. */
export const recordedNoise: NoiseSource = {
  initial: (image, out) => out.set(recordedImage('cfg.z', image)),
  step: (image, count, out) => out.set(recordedImage('ddpm.noise', image, count)),
};
