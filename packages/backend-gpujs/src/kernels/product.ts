import type { Activation } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf } from '../layout.ts';
import { elementSource, type ProgramArgs, type ProgramSource, TEXEL } from '../source.ts';
import { ACTIVATION_GLSL } from './activations.ts';
import { perElement } from './map.ts';

/** Products of rows with rows: a [batch, m, 4 width] and b [batch, n, 4 width] -> [batch, m, n]. */
export interface ProductSize {
  readonly batch: number;
  readonly m: number;
  readonly n: number;
  /** Texels of a row. */
  readonly width: number;
}

/** What follows the product before it is written. */
export interface Epilogue {
  /** [n] */
  readonly bias?: GpuTexture | undefined;
  readonly activation: Activation;
  /** residual [m, n] + gate [images, n] * y; `perImage` rows belong to one image. */
  readonly gated?:
    | { readonly gate: GpuTexture; readonly residual: GpuTexture; readonly perImage: number }
    | undefined;
}

const PLAIN: Epilogue = { activation: 'none' };

export function product(
  device: GlDevice,
  a: GpuTexture,
  b: GpuTexture,
  { batch, m, n, width }: ProductSize,
  epilogue: Epilogue = PLAIN,
): GpuTexture {
  const { bias, activation, gated } = epilogue;
  const isWhole = fills(n);
  const parts = [
    isWhole ? 'texels' : 'elements',
    ...(bias ? ['bias'] : []),
    ...(activation === 'none' ? [] : [activation]),
    ...(gated ? ['gated'] : []),
  ];
  const kind = { activation, hasBias: bias !== undefined, isGated: gated !== undefined };
  const source = () => (isWhole ? texelProduct(kind) : elementProduct(kind));
  const args = [
    a,
    b,
    m,
    n,
    width,
    ...(bias ? [bias] : []),
    ...(gated ? [gated.gate, gated.residual, gated.perImage] : []),
  ];
  return device.run(`product.${parts.join('.')}`, source, texelsOf(batch * m * n), args);
}

/** Which epilogue a kernel has. */
interface Kind {
  readonly activation: Activation;
  readonly hasBias: boolean;
  readonly isGated: boolean;
}

const argsOf = ({ hasBias, isGated }: Kind): ProgramArgs => ({
  a: 'texture',
  b: 'texture',
  m: 'int',
  n: 'int',
  width: 'int',
  ...(hasBias && { bias: 'texture' as const }),
  ...(isGated && ({ gate: 'texture', residual: 'texture', perImage: 'int' } as const)),
});

/** n is a multiple of 4: four neighbours belong to one row of a. */
function texelProduct(kind: Kind): ProgramSource {
  const { activation, hasBias, isGated } = kind;
  const isActive = activation !== 'none';
  return {
    args: argsOf(kind),
    glsl: `${isActive ? perElement(ACTIVATION_GLSL[activation], 1) : ''}
      vec4 gated4(vec4 y, vec4 gate, vec4 residual) { return residual + gate * y; }`,
    functions: {
      ...(isActive && { apply: ['vec4', 'vec4'] as const }),
      gated4: ['vec4', 'vec4', 'vec4', 'vec4'],
    },
    body: `${TEXEL}
      const row = idiv(4 * i, n);
      const column = 4 * i - row * n;
      const ra = row * width;
      const rb = (idiv(row, m) * n + column) * width;
      let r0 = 0.0; let r1 = 0.0; let r2 = 0.0; let r3 = 0.0;
      for (let k = 0; k < width; k++) {
        const v = texel(a, ra + k);
        r0 += dot4(v, texel(b, rb + k));
        r1 += dot4(v, texel(b, rb + width + k));
        r2 += dot4(v, texel(b, rb + 2 * width + k));
        r3 += dot4(v, texel(b, rb + 3 * width + k));
      }
      let y = [r0, r1, r2, r3];
      ${hasBias ? 'y = add4(y, texel(bias, idiv(column, 4)));' : ''}
      ${isActive ? 'y = apply(y);' : ''}
      ${isGated ? 'y = gated4(y, texel(gate, idiv(idiv(row, perImage) * n + column, 4)), texel(residual, i));' : ''}
      return y;`,
  };
}

function elementProduct(kind: Kind): ProgramSource {
  const { activation, hasBias, isGated } = kind;
  const isActive = activation !== 'none';
  return elementSource(
    argsOf(kind),
    `
    int row = e / n;
    int column = e - row * n;
    int other = (row / m * n + column) * width;
    float y = 0.0;
    LOOP(k, 0, width)
      y += dot(texel(a, row * width + k), texel(b, other + k));
    }
    ${hasBias ? 'y += at(bias, column);' : ''}
    ${isActive ? 'y = f(y);' : ''}
    ${isGated ? 'y = at(residual, e) + at(gate, row / perImage * n + column) * y;' : ''}
    return y;`,
    isActive ? ACTIVATION_GLSL[activation] : '',
  );
}
