import type { Activation } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { texelsOfShape } from '../layout.ts';
import type { Input } from '../tensor.ts';
import { map, perElement } from './map.ts';

const CUBIC = '0.044715';
/** 2 sqrt(2 / pi): x/2 (1 + tanh(u)) is x sigmoid(2u). */
const SCALE = '1.5957691216057308';

/** `float f(float x)` of each activation. */
export const ACTIVATION_GLSL: Readonly<Record<Activation, string>> = {
  none: 'float f(float x) { return x; }',
  gelu: `float f(float x) { return x * sigmoidOf(${SCALE} * (x + ${CUBIC} * x * x * x)); }`,
  silu: 'float f(float x) { return x * sigmoidOf(x); }',
};

const GRADIENTS = {
  // s + x s (1 - s) v'(x), with s = sigmoid(v)
  gelu: `float f(float x, float g) {
    float s = sigmoidOf(${SCALE} * (x + ${CUBIC} * x * x * x));
    return g * s * (1.0 + x * (1.0 - s) * ${SCALE} * (1.0 + 3.0 * ${CUBIC} * x * x));
  }`,
  silu: `float f(float x, float g) {
    float s = sigmoidOf(x);
    return g * s * (1.0 + x * (1.0 - s));
  }`,
};

export function activation(device: GlDevice, name: 'gelu' | 'silu', x: Input): GpuTexture {
  const glsl = perElement(ACTIVATION_GLSL[name], 1);
  return map(device, name, glsl, texelsOfShape(x.shape), [x.handle.low]);
}

/** grad times the derivative at x. */
export function activationGrad(
  device: GlDevice,
  name: 'gelu' | 'silu',
  x: Input,
  grad: Input,
): GpuTexture {
  const glsl = perElement(GRADIENTS[name], 2);
  const textures = [x.handle.low, grad.handle.low];
  return map(device, `${name}Grad`, glsl, texelsOfShape(x.shape), textures);
}
