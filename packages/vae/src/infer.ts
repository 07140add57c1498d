import { formatShape, ModelError, type Shape, sameShape } from '@vq4dit/core';
import { NORM_GROUPS, type VaeDecoderConfig } from './config.ts';
import { decoderLayers, type Layer, levelResnet, weightShapes } from './layers.ts';
import { findNames, type VaeNames } from './names.ts';

/** A decoder found in a file. */
export interface FoundDecoder {
  readonly config: VaeDecoderConfig;
  readonly names: VaeNames;
  /** Its layers by their paths, all of them checked. */
  readonly layers: ReadonlyMap<string, Layer>;
}

/**
 * Finds a decoder's shape from the names and shapes of its tensors, and checks all of them. What
 * else the file holds (an encoder, a whole diffusion model) does not matter.
 *
 * @param shapes of all tensors in the file
 * @param groups of the group normalizations, which the shapes do not tell
 * @param where what error messages call the file
 * @throws ModelError that names the first tensor that is missing, of another shape, or unknown
 */
export function inferVaeDecoder(
  shapes: ReadonlyMap<string, Shape>,
  groups: number = NORM_GROUPS,
  where = 'VAE',
): FoundDecoder {
  const names = findNames([...shapes.keys()], where);
  const kernel = (path: string): Shape => {
    const name = `${names.stored(path)}.weight`;
    const shape = shapes.get(name);
    if (!shape) throw new ModelError(`${where}: tensor ${name} is missing.`);
    if (shape.length < 2) {
      throw new ModelError(
        `${where}: tensor ${name} has shape ${formatShape(shape)}, expected that of a convolution.`,
      );
    }
    return shape;
  };
  const [zChannels, latentChannels] = kernel('post_quant_conv');
  if (names.levels === 0) {
    throw new ModelError(`${where}: there are no tensors ${names.stored(levelResnet(0, 0))}.*.`);
  }
  const config: VaeDecoderConfig = {
    latentChannels: latentChannels!,
    zChannels: zChannels!,
    imageChannels: kernel('decoder.conv_out')[0]!,
    middle: kernel('decoder.conv_in')[0]!,
    levels: Array.from(
      { length: names.levels },
      (_, level) => kernel(`${levelResnet(level, 0)}.conv1`)[0]!,
    ),
    resnets: names.resnets,
    groups,
  };
  const layers = decoderLayers(config);
  checkGroups(config, where);
  checkLayers(layers, names, shapes, where);
  return { config, names, layers };
}

function checkGroups({ groups, middle, levels }: VaeDecoderConfig, where: string): void {
  const bad = [middle, ...levels].find((channels) => channels % groups !== 0);
  if (!Number.isSafeInteger(groups) || groups < 1 || bad !== undefined) {
    throw new ModelError(
      `${where}: ${groups} normalization groups do not divide ${bad ?? middle} channels.`,
    );
  }
}

function checkLayers(
  layers: ReadonlyMap<string, Layer>,
  names: VaeNames,
  shapes: ReadonlyMap<string, Shape>,
  where: string,
): void {
  const known = new Set<string>();
  const check = (name: string, allowed: readonly Shape[]) => {
    const found = shapes.get(name);
    const wanted = allowed.map(formatShape).join(' or ');
    if (!found) {
      throw new ModelError(`${where}: tensor ${name} ${wanted} is missing.`);
    }
    if (!allowed.some((shape) => sameShape(shape, found))) {
      throw new ModelError(
        `${where}: tensor ${name} has shape ${formatShape(found)}, expected ${wanted}.`,
      );
    }
    known.add(name);
  };
  for (const [path, layer] of layers) {
    check(`${names.stored(path)}.weight`, weightShapes(layer));
    check(`${names.stored(path)}.bias`, [[layer.outputs]]);
  }
  // A part that is not computed would give wrong images without a word.
  const start = `${names.prefix}decoder.`;
  for (const name of shapes.keys()) {
    if (!name.startsWith(start) || known.has(name)) continue;
    throw new ModelError(
      `${where}: tensor ${name} belongs to no layer of a decoder with ${names.levels} levels of ${names.resnets} residual blocks; this kind of autoencoder is not supported.`,
    );
  }
}
