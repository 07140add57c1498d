import type { VaeDecoderConfig } from './config.ts';

/** What a layer computes; says how its tensors are shaped. */
export type LayerKind = 'norm' | 'conv1' | 'conv3';

/** One layer with a weight and a bias. */
export interface Layer {
  readonly kind: LayerKind;
  /** Input channels; of a normalization, its channels. */
  readonly inputs: number;
  readonly outputs: number;
}

/** The parts of the attention of the middle block. */
export const ATTENTION_PARTS = ['to_q', 'to_k', 'to_v', 'to_out.0'] as const;

/** Where the middle block has its attention. */
export const ATTENTION = 'decoder.mid_block.attentions.0';

/** The path of a residual block of the middle block. */
export function middleResnet(index: number): string {
  return `decoder.mid_block.resnets.${index}`;
}

/** The path of a residual block of a level. */
export function levelResnet(level: number, index: number): string {
  return `decoder.up_blocks.${level}.resnets.${index}`;
}

/** The path of the convolution that follows the doubling at the end of a level. */
export function levelUpsampler(level: number): string {
  return `decoder.up_blocks.${level}.upsamplers.0.conv`;
}

/** Every layer of a decoder by its path in the names of today's diffusers, in order. */
export function decoderLayers(config: VaeDecoderConfig): Map<string, Layer> {
  const { latentChannels, zChannels, imageChannels, middle, levels, resnets } = config;
  const layers = new Map<string, Layer>();
  const add = (path: string, kind: LayerKind, inputs: number, outputs = inputs) =>
    layers.set(path, { kind, inputs, outputs });
  const resnet = (path: string, inputs: number, outputs: number) => {
    add(`${path}.norm1`, 'norm', inputs);
    add(`${path}.conv1`, 'conv3', inputs, outputs);
    add(`${path}.norm2`, 'norm', outputs);
    add(`${path}.conv2`, 'conv3', outputs);
    if (inputs !== outputs) add(`${path}.conv_shortcut`, 'conv1', inputs, outputs);
  };
  add('post_quant_conv', 'conv1', latentChannels, zChannels);
  add('decoder.conv_in', 'conv3', zChannels, middle);
  resnet(middleResnet(0), middle, middle);
  add(`${ATTENTION}.group_norm`, 'norm', middle);
  for (const part of ATTENTION_PARTS) add(`${ATTENTION}.${part}`, 'conv1', middle);
  resnet(middleResnet(1), middle, middle);
  let width = middle;
  for (const [level, channels] of levels.entries()) {
    for (let i = 0; i < resnets; i++) {
      resnet(levelResnet(level, i), width, channels);
      width = channels;
    }
    if (level < levels.length - 1) add(levelUpsampler(level), 'conv3', width);
  }
  add('decoder.conv_norm_out', 'norm', width);
  add('decoder.conv_out', 'conv3', width, imageChannels);
  return layers;
}

/** The shapes that a layer's weight may have in a file: 1 x 1 convolutions are also stored as matrices. */
export function weightShapes({ kind, inputs, outputs }: Layer): readonly (readonly number[])[] {
  if (kind === 'norm') return [[outputs]];
  if (kind === 'conv3') return [[outputs, inputs, 3, 3]];
  return [
    [outputs, inputs, 1, 1],
    [outputs, inputs],
  ];
}
