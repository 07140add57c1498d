import type { ModelFile, VaeFile } from '@vq4dit/checkpoint';
import { RandomStream, type TensorOps } from '@vq4dit/core';
import { DiTWeights, type NoiseSource, sample, streamNoise } from '@vq4dit/dit';
import type { ByteImages, ImageSource } from '@vq4dit/evaluation';
import { VaeDecoder } from '@vq4dit/vae';
import { defaultBatch } from '../sample/defaults.ts';

/** How the images of an evaluation are drawn. */
export interface SamplingSettings {
  readonly sampler: 'ddpm' | 'ddim';
  readonly steps: number;
  readonly guidance: number;
  readonly seed: number;
}

/** What {@link sampledImages} works with. */
export interface SampledImagesJob {
  readonly ops: TensorOps;
  readonly model: ModelFile;
  /** Turns latents into images, where the model draws latents. */
  readonly vae?: VaeFile | undefined;
  readonly settings: SamplingSettings;
  readonly signal: AbortSignal;
  /** Called after every sampling step with the part of the current batch that is done, 0 to 1. */
  readonly onStep?: (share: number) => void;
}

/**
 * The noise of an evaluation, by name: image i has the same noise in every model and every run with
 * this seed, and none that a calibration has, whatever its seed.
 */
export function evaluationNoise(seed: number): NoiseSource {
  return streamNoise(new RandomStream(seed, 'evaluation').derive('images'));
}

/** The label of image i: all classes in turn, so that any number of images is balanced. */
export const evaluationLabel = (image: number, numClasses: number): number => image % numClasses;

/** Images of the evaluation, drawn when they are asked for; the model is loaded for the first. */
export function sampledImages(job: SampledImagesJob): ImageSource {
  const { ops, model, vae, settings, signal } = job;
  const { numClasses } = model.config;
  return {
    name: model.path,
    count: undefined,
    async *batches(from, to, size) {
      const packed = model.kind === 'artefact' && ops.hasFused('linear');
      using weights = await DiTWeights.load(ops, model.config, model, { packed });
      using decoder = vae && (await loadDecoder(ops, vae));
      const most = defaultBatch(model.config, settings.guidance !== 1, size);
      for (let first = from; first < to; first += size) {
        const end = Math.min(to, first + size);
        const parts: ByteImages[] = [];
        for (let at = first; at < end; at += most) {
          const count = Math.min(most, end - at);
          const { x, shape } = await sample(ops, weights, {
            labels: Array.from({ length: count }, (_, i) => evaluationLabel(at + i, numClasses)),
            noise: evaluationNoise(settings.seed),
            firstImage: at,
            steps: settings.steps,
            cfgScale: settings.guidance,
            method: settings.sampler,
            signal,
            onStep: ({ done, steps }) =>
              job.onStep?.((at - first + (count * done) / steps) / (end - first)),
          });
          const drawn = { values: x, shape };
          const pictures = decoder
            ? await decoder.decode(drawn, {
                signal,
                ...(vae?.scalingFactor !== undefined && { scalingFactor: vae.scalingFactor }),
              })
            : drawn;
          parts.push(toBytes(pictures.values, pictures.shape));
        }
        yield joined(parts);
      }
    },
  };
}

function loadDecoder(ops: TensorOps, vae: VaeFile): Promise<VaeDecoder> {
  const { normGroups: groups } = vae;
  return VaeDecoder.load(ops, vae, groups === undefined ? {} : { groups });
}

/** [N, C, H, W] in [-1, 1] -> [N, H, W, C] in 0 to 255, clamped and rounded to nearest. */
export function toBytes(
  values: Float32Array,
  [count, channels, height, width]: readonly [number, number, number, number],
): ByteImages {
  const pixels = height * width;
  const out = new Uint8Array(values.length);
  for (let n = 0; n < count; n++) {
    for (let c = 0; c < channels; c++) {
      for (let p = 0; p < pixels; p++) {
        const value = values[(n * channels + c) * pixels + p]!;
        const byte = Math.round((value + 1) * 127.5);
        out[(n * pixels + p) * channels + c] = Math.max(0, Math.min(255, byte));
      }
    }
  }
  return { count, height, width, channels, values: out };
}

function joined(parts: readonly ByteImages[]): ByteImages {
  if (parts.length === 1) return parts[0]!;
  const count = parts.reduce((sum, part) => sum + part.count, 0);
  const values = new Uint8Array(parts.reduce((sum, part) => sum + part.values.length, 0));
  let at = 0;
  for (const part of parts) {
    values.set(part.values, at);
    at += part.values.length;
  }
  return { ...parts[0]!, count, values };
}
