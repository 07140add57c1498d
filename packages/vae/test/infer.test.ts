import { createReferenceBackend } from '@vq4dit/backend-reference';
import { ModelError, NonFiniteError, type Shape, sizeOf, TensorOps } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import {
  decoderLayers,
  inferVaeDecoder,
  SD_VAE_DECODER,
  VaeDecoder,
  weightShapes,
} from '../src/index.ts';
import { loadFixture, sourceOf } from './support/fixtures.ts';

const TINY = {
  ...{ latentChannels: 4, zChannels: 4, imageChannels: 3 },
  ...{ middle: 64, levels: [64, 32], resnets: 2, groups: 32 },
};

/** The shapes of a file of this config in the names of diffusers. */
function shapesOf(config = SD_VAE_DECODER): Map<string, Shape> {
  const shapes = new Map<string, Shape>();
  for (const [path, layer] of decoderLayers(config)) {
    shapes.set(`${path}.weight`, weightShapes(layer)[0]!);
    shapes.set(`${path}.bias`, [layer.outputs]);
  }
  return shapes;
}

const shapes = (file: string) =>
  new Map([...loadFixture(file)].map(([name, { shape }]) => [name, shape]));

describe('the shape of a decoder', () => {
  it.each(['compvis', 'diffusers'] as const)('is found in the names of %s', (scheme) => {
    const found = inferVaeDecoder(shapes(`vae-tiny.${scheme}.safetensors`));
    expect(found.config).toEqual(TINY);
    expect(found.names).toMatchObject({ scheme, prefix: '', levels: 2, resnets: 2 });
  });

  it('of Stable Diffusion has 49.5 million parameters', () => {
    const all = shapesOf();
    expect(inferVaeDecoder(all).config).toEqual(SD_VAE_DECODER);
    // 49,490,179 of the decoder and 20 of the first 1 x 1 convolution.
    expect([...all.values()].reduce((sum, shape) => sum + sizeOf(shape), 0)).toBe(49_490_199);
  });

  it('does not depend on what else is in the file', () => {
    const all = new Map<string, Shape>([
      ['first_stage_model.encoder.conv_in.weight', [128, 3, 3, 3]],
      ['model.diffusion_model.out.2.weight', [4, 320, 3, 3]],
      ...[...shapes('vae-tiny.compvis.safetensors')].map(
        ([name, shape]) => [`first_stage_model.${name}`, shape] as const,
      ),
    ]);
    expect(inferVaeDecoder(all).config).toEqual(TINY);
    expect(inferVaeDecoder(all).names.prefix).toBe('first_stage_model.');
  });
});

describe('a file without a proper decoder is refused with one sentence', () => {
  const change = (edit: (all: Map<string, Shape>) => void, groups?: number) => () => {
    const all = shapes('vae-tiny.diffusers.safetensors');
    edit(all);
    inferVaeDecoder(all, groups, 'vae.safetensors');
  };

  it.each([...shapes('vae-tiny.compvis.safetensors').keys()])('%s missing', (name) => {
    const all = shapes('vae-tiny.compvis.safetensors');
    all.delete(name);
    const message = name === 'decoder.conv_in.weight' ? /no tensor decoder\.conv_in/ : name;
    expect(() => inferVaeDecoder(all)).toThrow(message);
  });

  it.each([...shapes('vae-tiny.diffusers.safetensors').keys()])('%s of another shape', (name) => {
    const wrong = change((all) => all.set(name, [7, ...all.get(name)!.slice(1)]));
    expect(wrong).toThrow(ModelError);
    expect(wrong).toThrow(/tensor \S+ has shape \[.*expected|groups do not divide 7/);
  });

  it('with anything that would not be computed', () => {
    const wrong = change((all) =>
      all.set('decoder.up_blocks.0.attentions.0.to_q.weight', [64, 64]),
    );
    expect(wrong).toThrow(/attentions\.0\.to_q\.weight belongs to no layer.* not supported/);
  });

  it('where there is none, or two', () => {
    const none =
      /no tensor decoder\.conv_in\.weight; .* such as stabilityai\/sd-vae-ft-ema or -mse/;
    expect(() => inferVaeDecoder(new Map([['blocks.0.attn.qkv.weight', [3, 1]]]))).toThrow(none);
    const two = change((all) => all.set('ema.decoder.conv_in.weight', [64, 4, 3, 3]));
    expect(two).toThrow(/there are 2 decoders \(under "", "ema\."\)/);
  });

  it('where the groups do not divide the channels', () => {
    expect(change(() => {}, 48)).toThrow(/48 normalization groups do not divide 64 channels/);
    expect(change(() => {}, 0)).toThrow(/0 normalization groups/);
  });

  it('with NaN in a weight, and nothing stays on the device', async () => {
    const ops = new TensorOps(createReferenceBackend());
    const tensors = loadFixture('vae-tiny.diffusers.safetensors');
    tensors.get('decoder.conv_out.weight')!.values[5] = Number.NaN;
    const load = VaeDecoder.load(ops, sourceOf(tensors));
    await expect(load).rejects.toThrow(NonFiniteError);
    await expect(load).rejects.toThrow(/conv_out\.weight holds NaN at element 5/);
    expect(ops.memory().liveTensors).toBe(0);
  });
});
