import { ArgumentError, linear, type Tensor, type TensorOps } from '@vq4dit/core';
import type { TensorSource } from '@vq4dit/dit';
import type { FeatureMap, Window } from './feature-map.ts';
import { type BlockPart, INCEPTION_LAYERS, type Layer } from './inception-layers.ts';
import {
  averagePool,
  type Convolution,
  convolveRelu,
  firstChannels,
  globalMean,
  joinChannels,
  maxPool,
} from './layers.ts';
import type { FeatureNetwork } from './network.ts';
import { ParameterLoader } from './parameters.ts';
import { resizeBilinear } from './resize.ts';

const SIDE = 299;
const FEATURES = 2048;
const CLASSES = 1008;
const SPATIAL_CHANNELS = 7;
/** Added to the variance of the normalization that follows each convolution. */
const NORM_EPSILON = 1e-3;

/** Options of {@link loadInception}. */
export interface InceptionOptions {
  /**
   * Divides every width of the network, for tests with small files. 1, the default, is the network
   * that FID is defined with.
   */
  readonly narrow?: number;
}

/**
 * The Inception-v3 of 2015 that FID is defined with (Heusel et al. 2017), under the key names of the
 * usual PyTorch conversion (`Conv2d_1a_3x3.conv.weight`, ..., `fc.weight` [1008, 2048]). It differs
 * from the classifier of the same name in its pooling: averages leave padding out of the count, and
 * the last block takes maxima. Images of any size are resized to 299 x 299 as TensorFlow 1 does.
 *
 * Pooled features are the 2048 means of the last layer. Spatial features are the first 7 channels
 * of the first tower of block 6d, [17, 17, 7], as the ADM evaluation takes them for sFID. Logits
 * leave out the bias, as it does too.
 *
 * @throws ModelError, NonFiniteError where the file is not that network
 */
export async function loadInception(
  ops: TensorOps,
  source: TensorSource,
  { narrow = 1 }: InceptionOptions = {},
): Promise<FeatureNetwork> {
  const loader = new ParameterLoader(ops, source);
  try {
    const convolutions = new Map<string, Convolution>();
    const features = FEATURES / narrow;
    for (const layer of allConvolutions(narrow)) {
      convolutions.set(layer.name, await foldedConvolution(loader, layer));
    }
    const classifier = await loader.tensor('fc.weight', [CLASSES, features]);
    return {
      name: 'Inception-v3 (2015, FID)',
      features,
      spatialFeatures: SPATIAL_CHANNELS * 17 * 17,
      classes: CLASSES,
      batch: 8,
      async run(device, images) {
        if (images.channels !== 3) {
          throw new ArgumentError(
            `The Inception network takes colour images, got ${images.channels} channels.`,
          );
        }
        return device.scope(async (s) => {
          const resized = resizeBilinear(images, SIDE).map((value) => (value - 128) / 128);
          const start = s.tensor(resized, [images.count * SIDE * SIDE, 3]);
          const { map, spatial } = forward(s, convolutions, images.count, start);
          const pooled = globalMean(s, map); // [N, 2048]
          return {
            pooled: await s.read(pooled),
            spatial: await s.read(spatial),
            logits: await s.read(linear(s, pooled, classifier)),
          };
        });
      },
      [Symbol.dispose]: () => loader[Symbol.dispose](),
    };
  } catch (error) {
    loader[Symbol.dispose]();
    throw error;
  }
}

/** Every convolution with its input and output channels, which follow from the layers before it. */
function* allConvolutions(narrow: number): Generator<NamedConvolution> {
  let channels = 3;
  for (const layer of INCEPTION_LAYERS) {
    const named = (part: BlockPart & { kind: 'conv' }, inputs: number) => ({
      name: fullName(layer, part.name),
      inputs,
      outputs: part.outputs / narrow,
      window: part.window,
    });
    let joined = 0;
    for (const { parts, fork } of layer.towers) {
      let width = channels;
      for (const part of parts) {
        if (part.kind !== 'conv') continue;
        yield named(part, width);
        width = part.outputs / narrow;
      }
      for (const branch of fork ?? []) {
        if (branch.kind !== 'conv') continue;
        yield named(branch, width);
        joined += branch.outputs / narrow;
      }
      if (!fork) joined += width;
    }
    channels = joined;
  }
}

interface NamedConvolution {
  readonly name: string;
  readonly inputs: number;
  readonly outputs: number;
  readonly window: Window;
}

const fullName = (layer: Layer, part: string) =>
  part === '' ? layer.name : `${layer.name}.${part}`;

/** A convolution with the normalization after it folded in. */
async function foldedConvolution(
  loader: ParameterLoader,
  { name, inputs, outputs, window }: NamedConvolution,
): Promise<Convolution> {
  const kernel = await loader.values(`${name}.conv.weight`, [outputs, inputs, ...window.kernel]);
  const [gamma, beta, mean, variance] = await Promise.all(
    ['weight', 'bias', 'running_mean', 'running_var'].map((part) =>
      loader.values(`${name}.bn.${part}`, [outputs]),
    ),
  );
  const scale = gamma!.map((value, i) => value / Math.sqrt(variance![i]! + NORM_EPSILON));
  const bias = beta!.map((value, i) => value - mean![i]! * scale[i]!);
  return loader.convolution(kernel, bias, inputs, window, scale);
}

function forward(
  ops: TensorOps,
  convolutions: ReadonlyMap<string, Convolution>,
  images: number,
  start: Tensor,
): { map: FeatureMap; spatial: Tensor } {
  let map: FeatureMap = { rows: start, images, height: SIDE, width: SIDE, channels: 3 };
  let spatial: Tensor | undefined;
  for (const layer of INCEPTION_LAYERS) {
    const before = map;
    const result = ops.scope((s) => {
      const apply = (part: BlockPart, input: FeatureMap) =>
        part.kind === 'conv'
          ? convolveRelu(s, input, convolutions.get(fullName(layer, part.name))!)
          : (part.kind === 'max' ? maxPool : averagePool)(s, input, part.window);
      const outputs = layer.towers.flatMap(({ parts, fork }) => {
        const trunk = parts.reduce((input, part) => apply(part, input), before);
        return fork ? fork.map((branch) => apply(branch, trunk)) : [trunk];
      });
      return {
        map: outputs.length === 1 ? outputs[0]! : joinChannels(s, outputs),
        spatial: layer.spatial ? firstChannels(s, outputs[0]!, SPATIAL_CHANNELS) : undefined,
      };
    });
    map = result.map;
    spatial ??= result.spatial;
    before.rows.dispose();
  }
  return { map, spatial: spatial! };
}
