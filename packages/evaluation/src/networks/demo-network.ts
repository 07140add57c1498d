import { ArgumentError, linear, type TensorOps } from '@vq4dit/core';
import type { TensorSource } from '@vq4dit/dit';
import type { FeatureMap, Window } from './feature-map.ts';
import { type Convolution, convolveRelu, firstChannels, globalMean } from './layers.ts';
import type { FeatureNetwork } from './network.ts';
import { ParameterLoader } from './parameters.ts';

const SIDE = 28;
const FEATURES = 128;
const CLASSES = 10;
const SPATIAL_CHANNELS = 7;

const window = (stride: number): Window => ({ kernel: [3, 3], stride, padding: [1, 1] });
const LAYERS = [
  { name: 'conv1', inputs: 1, outputs: 32, window: window(1) },
  { name: 'conv2', inputs: 32, outputs: 64, window: window(2) },
  { name: 'conv3', inputs: 64, outputs: 128, window: window(2) },
] as const;

/**
 * The classifier that comes with the demo model: three 3 x 3 convolutions with ReLU, the mean over
 * pixels, a fully connected layer with ReLU (the features) and one more (the logits). Spatial
 * features are the first 7 channels after the last convolution. Takes 28 x 28 x 1.
 *
 * @throws ModelError, NonFiniteError where the file is not that network
 */
export async function loadDemoNetwork(
  ops: TensorOps,
  source: TensorSource,
): Promise<FeatureNetwork> {
  const loader = new ParameterLoader(ops, source);
  try {
    const convolutions: Convolution[] = [];
    for (const { name, inputs, outputs, window } of LAYERS) {
      const kernel = await loader.values(`${name}.weight`, [outputs, inputs, 3, 3]);
      const bias = await loader.values(`${name}.bias`, [outputs]);
      convolutions.push(loader.convolution(kernel, bias, inputs, window));
    }
    const hidden = {
      weight: await loader.tensor('fc1.weight', [FEATURES, 128]),
      bias: await loader.tensor('fc1.bias', [FEATURES]),
    };
    const last = {
      weight: await loader.tensor('fc2.weight', [CLASSES, FEATURES]),
      bias: await loader.tensor('fc2.bias', [CLASSES]),
    };
    return {
      name: 'Fashion-MNIST classifier of the demo model',
      features: FEATURES,
      spatialFeatures: SPATIAL_CHANNELS * (SIDE / 4) ** 2,
      classes: CLASSES,
      batch: 100,
      async run(device, { count, height, width, channels, values }) {
        if (height !== SIDE || width !== SIDE || channels !== 1) {
          throw new ArgumentError(
            `The demo's feature network takes ${SIDE}x${SIDE}x1 images, got ${height}x${width}x${channels}.`,
          );
        }
        return device.scope(async (s) => {
          const scaled = Float32Array.from(values, (byte) => byte / 127.5 - 1);
          const rows = s.tensor(scaled, [count * SIDE * SIDE, 1]);
          let map: FeatureMap = { rows, images: count, height, width, channels };
          for (const layer of convolutions) map = convolveRelu(s, map, layer);
          const { weight, bias } = hidden;
          const pooled = s.maximum(linear(s, globalMean(s, map), weight, { bias }), s.scalar(0));
          const logits = linear(s, pooled, last.weight, { bias: last.bias });
          return {
            pooled: await s.read(pooled),
            // The network's own order: channel by channel.
            spatial: channelsFirst(await s.read(firstChannels(s, map, SPATIAL_CHANNELS)), map),
            logits: await s.read(logits),
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

/** [N, pixels, 7] -> [N, 7, pixels] */
function channelsFirst(values: Float32Array, { images, height, width }: FeatureMap): Float32Array {
  const pixels = height * width;
  const out = new Float32Array(values.length);
  for (let n = 0; n < images; n++) {
    for (let p = 0; p < pixels; p++) {
      for (let c = 0; c < SPATIAL_CHANNELS; c++) {
        const from = (n * pixels + p) * SPATIAL_CHANNELS + c;
        out[(n * SPATIAL_CHANNELS + c) * pixels + p] = values[from]!;
      }
    }
  }
  return out;
}
