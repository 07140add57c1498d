import { sizeOf } from '@vq4dit/core';
import { decoderLayers, SD_VAE_DECODER, weightShapes } from '@vq4dit/vae';
import { factors, fillFrom, generator, quantileTable } from './random.mjs';

/** A decoder small enough for tests. */
export const TINY_VAE = { ...SD_VAE_DECODER, middle: 64, levels: [64, 64, 32, 32], resnets: 2 };

/**
 * The tensors of an image decoder of this shape in the names of diffusers, with random weights:
 * normalizations near 1, convolutions that keep the size of what they are given, and an output that
 * stays near [-1, 1].
 */
export function syntheticVae(config, seed) {
  const tensors = [];
  for (const [path, layer] of decoderLayers(config)) {
    const add = (name, shape, make) =>
      tensors.push({
        name,
        dtype: 'F32',
        shape: [...shape],
        data: () => bytesOf(make(shape, generator(seed, name))),
      });
    const output = path === 'decoder.conv_out' ? 0.3 : 1;
    // Today's diffusers has matrices in its attention and 1 x 1 convolutions elsewhere.
    const form = path.includes('.attentions.') && layer.kind === 'conv1' ? 1 : 0;
    add(`${path}.weight`, weightShapes(layer)[form], (shape, random) =>
      layer.kind === 'norm' ? gains(shape, random) : kernel(shape, random, output),
    );
    add(`${path}.bias`, [layer.outputs], (shape, random) => normal(shape, random, 0.02));
  }
  return tensors;
}

const gains = (shape, { stream }) => factors(stream, shape[0], { spread: 0.2 });

function kernel(shape, random, scale) {
  const inputs = sizeOf(shape.slice(1));
  const values = normal(shape, random, scale / Math.sqrt(inputs));
  const rows = factors(random.stream, shape[0], { spread: 0.3 });
  return values.map((value, i) => value * rows[Math.floor(i / inputs)]);
}

const table = quantileTable(0.04);

function normal(shape, random, deviation) {
  const values = fillFrom(table, random, new Float32Array(sizeOf(shape)));
  return values.map((value) => deviation * value);
}

function bytesOf(values) {
  return new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
}
