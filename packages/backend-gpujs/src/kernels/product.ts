import type { Activation } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import { lanes, TEXEL } from '../glsl.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf } from '../layout.ts';
import type { ProgramSource } from '../program.ts';
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
  const source = () => productSource(isWhole, activation, bias !== undefined, gated !== undefined);
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

function productSource(
  isWhole: boolean,
  activation: Activation,
  hasBias: boolean,
  isGated: boolean,
): ProgramSource {
  const isActive = activation !== 'none';
  return {
    args: {
      a: 'texture',
      b: 'texture',
      m: 'int',
      n: 'int',
      width: 'int',
      ...(hasBias && { bias: 'texture' as const }),
      ...(isGated && ({ gate: 'texture', residual: 'texture', perImage: 'int' } as const)),
    },
    glsl: `${isActive ? perElement(ACTIVATION_GLSL[activation], 1) : ''}
      vec4 gated4(vec4 y, vec4 gate, vec4 residual) { return residual + gate * y; }`,
    functions: {
      ...(isActive && { apply: ['vec4', 'vec4'] as const }),
      gated4: ['vec4', 'vec4', 'vec4', 'vec4'],
    },
    body: `${TEXEL} ${isWhole ? WHOLE : SINGLE}
      let y = [r0, r1, r2, r3];
      ${hasBias ? `y = add4(y, ${pickVector('bias', isWhole)});` : ''}
      ${isActive ? 'y = apply(y);' : ''}
      ${isGated ? `y = gated4(y, ${pickGate(isWhole)}, texel(residual, i));` : ''}
      return y;`,
  };
}

/** n is a multiple of 4: four neighbours belong to one row of a. */
const WHOLE = `
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
  }`;

const SINGLE = `
  ${lanes(`
    const row$ = idiv(4 * i + $, n);
    const column$ = 4 * i + $ - row$ * n;
    const ra$ = row$ * width;
    const rb$ = (idiv(row$, m) * n + column$) * width;
    let r$ = 0.0;`)}
  for (let k = 0; k < width; k++) {
    ${lanes('r$ += dot4(texel(a, ra$ + k), texel(b, rb$ + k));')}
  }`;

function pickVector(name: string, isWhole: boolean): string {
  if (isWhole) return `texel(${name}, idiv(column, 4))`;
  return `[${[0, 1, 2, 3].map((lane) => `at(${name}, column${lane})`).join(', ')}]`;
}

function pickGate(isWhole: boolean): string {
  if (isWhole) return 'texel(gate, idiv(idiv(row, perImage) * n + column, 4))';
  const lane = (l: number) => `at(gate, idiv(row${l}, perImage) * n + column${l})`;
  return `[${[0, 1, 2, 3].map(lane).join(', ')}]`;
}
