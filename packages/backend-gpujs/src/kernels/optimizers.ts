import type { AdamwConstants } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { texelsOfShape } from '../layout.ts';
import type { Input } from '../tensor.ts';
import { map } from './map.ts';

const BLEND = `vec4 apply(vec4 old, vec4 now, float keep, float take) {
  return keep * old + take * now;
}`;
const BLEND_SQUARE = `vec4 apply(vec4 old, vec4 now, float keep, float take) {
  return keep * old + take * now * now;
}`;
const RMSPROP = `vec4 apply(vec4 value, vec4 grad, vec4 square, float rate, float epsilon) {
  return value - rate * (grad / (sqrt(square) + epsilon));
}`;
const ADAMW = `vec4 apply(vec4 value, vec4 mean, vec4 square, float shrink, float rate, float root, float epsilon) {
  return value * shrink - rate * (mean / (sqrt(square) * root + epsilon));
}`;

/** Constants of one RMSprop step. */
export interface RmspropConstants {
  readonly learningRate: number;
  readonly decay: number;
  readonly epsilon: number;
}

export function rmspropStep(
  device: GlDevice,
  value: Input,
  grad: Input,
  square: Input,
  { learningRate, decay, epsilon }: RmspropConstants,
): { value: GpuTexture; square: GpuTexture } {
  const texels = texelsOfShape(value.shape);
  const [v, g, s] = [value, grad, square].map((x) => x.handle.low) as Three;
  const newSquare = map(device, 'blendSquare', BLEND_SQUARE, texels, [s, g], [decay, 1 - decay]);
  const constants = [learningRate, epsilon];
  return {
    value: map(device, 'rmsprop', RMSPROP, texels, [v, g, newSquare], constants),
    square: newSquare,
  };
}

export function adamwStep(
  device: GlDevice,
  inputs: readonly [value: Input, grad: Input, mean: Input, square: Input],
  { learningRate, beta1, beta2, epsilon, weightDecay, step }: AdamwConstants,
): { value: GpuTexture; mean: GpuTexture; square: GpuTexture } {
  const texels = texelsOfShape(inputs[0].shape);
  const [v, g, m, s] = inputs.map((x) => x.handle.low) as [...Three, GpuTexture];
  const mean = map(device, 'blend', BLEND, texels, [m, g], [beta1, 1 - beta1]);
  const square = map(device, 'blendSquare', BLEND_SQUARE, texels, [s, g], [beta2, 1 - beta2]);
  const constants = [
    1 - learningRate * weightDecay,
    learningRate / (1 - beta1 ** step),
    1 / Math.sqrt(1 - beta2 ** step),
    epsilon,
  ];
  return { value: map(device, 'adamw', ADAMW, texels, [v, mean, square], constants), mean, square };
}

type Three = [GpuTexture, GpuTexture, GpuTexture];
