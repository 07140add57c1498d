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
    if (x < 0.0) return nanOf(x);
    return isInfinite(x) ? x : log(x);`,
  sqrt: `
    if (isNan(x) || isInfinite(x) && x > 0.0) return x;
    return x < 0.0 ? nanOf(x) : sqrt(x);`,
  square: 'return x * x;',
  reciprocal: 'return 1.0 / x;',
  sin: 'return waveOf(x, 0.0);',
  cos: 'return waveOf(x, 1.0);',
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

/**
 * sin(x + quarters pi/2). Graphics standards allow GLSL's own sine an error of 2^-11, and some
 * drivers use it. Here the argument is reduced in three steps (Cody and Waite 1980; the parts of pi/2
 * are short, so that products with them are exact), and the polynomials are those of Cephes.
 */
const WAVE = `float waveOf(float x, float quarters) {
  if (isNan(x)) return x;
  if (isInfinite(x)) return nanOf(x);
  float n = floor(x * 0.63661977236758134 + 0.5);
  float r = ((x - n * 1.5703125) - n * 4.837512969970703125e-4) - n * 7.54978995489188216e-8;
  float s = r * r;
  float sine = r + r * s * (-1.6666654611e-1 + s * (8.3321608736e-3 - s * 1.9515295891e-4));
  float cosine = 1.0 - 0.5 * s
    + s * s * (4.166664568298827e-2 + s * (-1.388731625493765e-3 + s * 2.443315711809948e-5));
  float quadrant = n + quarters;
  quadrant -= 4.0 * floor(quadrant / 4.0);
  float size = quadrant == 1.0 || quadrant == 3.0 ? cosine : sine;
  return quadrant >= 2.0 ? -size : size;
}
`;

/** x of any shape -> the same shape. */
export function unary(device: GlDevice, op: UnaryOp, x: Input): GpuTexture {
  const wave = op === 'sin' || op === 'cos' ? WAVE : '';
  const glsl = perElement(`${wave}float f(float x) {${BODIES[op]}}`, 1);
  return map(device, `unary.${op}`, glsl, texelsOfShape(x.shape), [x.handle.low]);
}
