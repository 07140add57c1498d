import type { Tensor, TensorOps } from '@vq4dit/core';
import { attendSpatially } from './attention.ts';
import { type ConvolutionOptions, convolve } from './convolution.ts';
import { FeatureMap } from './feature-map.ts';
import { groupNorm } from './group-norm.ts';
import { ATTENTION, levelResnet, levelUpsampler, middleResnet } from './layers.ts';
import type { VaeWeights } from './weights.ts';

/** How the network is run. */
export interface NetworkOptions {
  /** Called before each band of rows of each layer; may throw to stop. */
  readonly pause: () => Promise<void>;
  /** Called after each residual block, attention or doubling; see {@link stageCount}. */
  readonly onStage: () => void;
  readonly patchBytes?: number | undefined;
}

/** How often `onStage` is called for one latent. */
export function stageCount({ config }: VaeWeights): number {
  return 4 + config.levels.length * (config.resnets + 1);
}

/**
 * One latent through the decoder (Rombach et al. 2022): middle block with attention, then levels of
 * residual blocks, each but the last followed by a doubling of the size.
 *
 * @param latent [h w, C], already divided by the scaling factor
 * @param ops a scope's; what the network makes and does not free, on errors, belongs to it
 * @returns the image, [H W, 3], in one or more bands of rows
 */
export async function decodeOne(
  ops: TensorOps,
  weights: VaeWeights,
  latent: Tensor,
  height: number,
  width: number,
  { pause, onStage, patchBytes }: NetworkOptions,
): Promise<FeatureMap> {
  const { config } = weights;
  const conv = async (map: FeatureMap, path: string, more: ConvolutionOptions = {}) =>
    convolve(ops, map, layer(path), { free: true, pause, patchBytes, ...more });
  const layer = (path: string) => weights.convolutions.get(path)!;
  const norm = (map: FeatureMap, path: string) =>
    groupNorm(ops, map, config.groups, weights.norms.get(path)!);
  const done = (map: FeatureMap) => {
    onStage();
    return map;
  };
  const resnet = async (map: FeatureMap, path: string) => {
    const norm1 = await norm(map, `${path}.norm1`);
    const hidden = await conv(map, `${path}.conv1`, { norm: norm1, free: false });
    const norm2 = await norm(hidden, `${path}.norm2`);
    const shortcut = weights.convolutions.get(`${path}.conv_shortcut`);
    return done(await conv(hidden, `${path}.conv2`, { norm: norm2, residual: map, shortcut }));
  };

  const start = new FeatureMap(height, width, config.latentChannels);
  start.append(ops.alias(latent));
  let map = await conv(start, 'post_quant_conv');
  map = await conv(map, 'decoder.conv_in');
  map = await resnet(map, middleResnet(0));
  const attentionNorm = await norm(map, `${ATTENTION}.group_norm`);
  map = done(await attendSpatially(ops, weights, map, attentionNorm, pause));
  map = await resnet(map, middleResnet(1));
  for (const level of config.levels.keys()) {
    for (let i = 0; i < config.resnets; i++) map = await resnet(map, levelResnet(level, i));
    if (level < config.levels.length - 1) {
      map = await conv(map, levelUpsampler(level), { doubled: true });
    }
    onStage();
  }
  const last = await norm(map, 'decoder.conv_norm_out');
  return done(await conv(map, 'decoder.conv_out', { norm: last }));
}
