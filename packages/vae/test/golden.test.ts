import { TensorOps } from '@vq4dit/core';
import { afterAll, describe, expect, it } from 'vitest';
import { VaeDecoder } from '../src/index.ts';
import { BACKENDS } from './support/backends.ts';
import { loadFixture, renamed, sourceOf, type Tensors } from './support/fixtures.ts';

const golden = loadFixture('vae-tiny.golden.safetensors');
const compvis = loadFixture('vae-tiny.compvis.safetensors');
const diffusers = loadFixture('vae-tiny.diffusers.safetensors');
const latent = golden.get('latent')!;
const image = golden.get('image')!;
const latents = { values: latent.values, shape: latent.shape as [number, number, number, number] };

const ATTENTION = 'decoder.mid_block.attentions.0.';
const OLD = { to_q: 'query', to_k: 'key', to_v: 'value', 'to_out.0': 'proj_attn' };

/** Attention matrices stored as 1 x 1 convolutions, and the other way round. */
function reshaped(tensors: Tensors, from: number): Tensors {
  return new Map(
    [...tensors].map(([name, tensor]) => {
      const { shape, values } = tensor;
      const matrix = shape[0]! * shape[1]! === values.length && shape.length === from;
      if (!name.endsWith('weight') || !matrix) return [name, tensor];
      const [rows, columns] = shape as [number, number];
      return [name, { values, shape: from === 2 ? [rows, columns, 1, 1] : [rows, columns] }];
    }),
  );
}

const FORMS: readonly [string, Tensors][] = [
  ['CompVis names', compvis],
  ['diffusers names', diffusers],
  [
    "diffusers' older attention names",
    renamed(diffusers, (name) => {
      if (!name.startsWith(ATTENTION)) return name;
      const part = Object.entries(OLD).find(([now]) => name.startsWith(`${ATTENTION}${now}.`));
      return part ? name.replace(part[0], part[1]) : name;
    }),
  ],
  ['CompVis names within Stable Diffusion', renamed(compvis, (n) => `first_stage_model.${n}`)],
  ['a prefix of somebody else', renamed(diffusers, (name) => `module.vae.${name}`)],
  ['matrices as convolutions', reshaped(diffusers, 2)],
  ['convolutions as matrices', reshaped(compvis, 4)],
];

/** Largest difference; the images reach 2.1. */
function difference(got: Float32Array, wanted: Float32Array): number {
  expect(got.length).toBe(wanted.length);
  return got.reduce((worst, value, i) => {
    const d = Math.abs(value - wanted[i]!);
    return d <= worst ? worst : d; // NaN must not slip through a maximum.
  }, 0);
}

describe.each(BACKENDS)('$name', ({ create }) => {
  const ready = create().then((backend) => new TensorOps(backend));
  afterAll(async () => (await ready).backend.close());

  it.each(FORMS)('decodes the recorded latents: %s', async (_what, tensors) => {
    const ops = await ready;
    const before = ops.memory();
    {
      using decoder = await VaeDecoder.load(ops, sourceOf(tensors));
      const decoded = await decoder.decode(latents);
      expect(decoded.shape).toEqual(image.shape);
      // Recorded in float32; measured: 1.8e-6 and less.
      expect(difference(decoded.values, image.values)).toBeLessThan(1e-5);
    }
    expect(ops.memory()).toEqual(before);
  });

  it('decodes the same in bands of single rows', async () => {
    const ops = await ready;
    using decoder = await VaeDecoder.load(ops, sourceOf(diffusers));
    const decoded = await decoder.decode(latents, { patchBytes: 1 });
    expect(difference(decoded.values, image.values)).toBeLessThan(1e-5);
  });
});
