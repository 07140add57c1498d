import type { UnaryOp } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { texelsOfShape } from '../layout.ts';
import type { Input } from '../tensor.ts';
import { map, perElement } from './map.ts';

/**
 * Bodies of `float f(float x)`. GLSL leaves open what its functions do with NaN, infinity and
 * arguments outside their domain, so these are decided before they are called.
 */
const BODIES: Readonly<Record<UnaryOp, string>> = {
  neg: 'return -x;',
  abs: 'return abs(x);',
  sign: 'return isNan(x) ? x : (x > 0.0 ? 1.0 : (x < 0.0 ? -1.0 : 0.0));',
  exp: 'return expOf(x);',
  log: `
    if (isNan(x)) return x;
    if (x == 0.0) return -1.0 / (x * x);
    if (x < 0.0) return nanOf(x * 0.0);
    return isInfinite(x) ? x : log(x);`,
  sqrt: `
    if (isNan(x) || isInfinite(x) && x > 0.0) return x;
    return x < 0.0 ? nanOf(x * 0.0) : sqrt(x);`,
  square: 'return x * x;',
  reciprocal: 'return 1.0 / x;',
  sin: 'return isNan(x) ? x : (isInfinite(x) ? x - x : sin(x));',
  cos: 'return isNan(x) ? x : (isInfinite(x) ? x - x : cos(x));',
  // Near zero 1 - exp(-2x) cancels; there the Taylor series is right to 1e-8 of the result.
  tanh: `
    if (isNan(x)) return x;
    float a = abs(x);
    if (a < 0.35) {
      float s = x * x;
      float tail = s * (-17.0 / 315.0 + s * (62.0 / 2835.0 + s * (-1382.0 / 155925.0 + s * (21844.0 / 6081075.0))));
      return x + x * (s * (-1.0 / 3.0 + s * (2.0 / 15.0 + tail)));
    }
    float e = expOf(-2.0 * a);
    float t = (1.0 - e) / (1.0 + e);
    return x < 0.0 ? -t : t;`,
  sigmoid: 'return sigmoidOf(x);',
};

/** x of any shape -> the same shape. */
export function unary(device: GlDevice, op: UnaryOp, x: Input): GpuTexture {
  const glsl = perElement(`float f(float x) {${BODIES[op]}}`, 1);
  return map(device, `unary.${op}`, glsl, texelsOfShape(x.shape), [x.handle.low]);
}
