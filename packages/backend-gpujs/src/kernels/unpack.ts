import type { PackedKernelWeight } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import { lanes, TEXEL } from '../glsl.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf, texelsOfShape } from '../layout.ts';
import type { ProgramSource } from '../program.ts';
import { type GlTensor, withTemporaries } from '../tensor.ts';
import { splitOnDevice } from './movement.ts';

/** The matrix [rows, columns] that packed codes and their codebook spell. */
export function unpack(device: GlDevice, weight: PackedKernelWeight<GlTensor>): GpuTexture {
  const { codes, codebook, rows, columns, groups, width } = weight;
  const [words, d] = codebook.shape as [number, number];
  return withTemporaries(device, (temporary) => {
    let { low, high } = codes.handle;
    if (high === undefined) {
      const split = splitOnDevice(device, low, texelsOfShape(codes.shape));
      low = temporary(split.low);
      high = temporary(split.high);
    }
    const kind = fills(d) ? 'texels' : 'elements';
    const perGroup = (rows * columns) / d / groups;
    const k = words / groups;
    const args = [low, high, codebook.handle.low, fills(d) ? d / 4 : d, width, perGroup, k];
    return device.run(`unpack.${kind}`, () => SOURCES[kind], texelsOf(rows * columns), args);
  });
}

/** Code number `code` of the bit stream, whose words lie in two halves of 16 bits. */
const GLSL = `
float powerOf2(int n) {
  float r = 1.0;
  for (int k = 0; k < 16; k++) { if (k < n) r *= 2.0; }
  return r;
}
float unsigned16(float x) { return x < 0.0 ? x + 65536.0 : x; }
float bitsOf(float first, float second, int offset, int width) {
  float low = floor(first / powerOf2(offset));
  int have = 16 - offset;
  float value = have < width ? low + second * powerOf2(have) : low;
  float range = powerOf2(width);
  return value - range * floor(value / range);
}
`;

const FUNCTIONS = {
  bitsOf: ['float', 'float', 'float', 'int', 'int'],
  unsigned16: ['float', 'float'],
} as const;

/** Statements that set word$ to the row of the codebook that sub-vector v$ names. */
const LOOK_UP = `
  const bit$ = v$ * width;
  const half$ = idiv(bit$, 16);
  const at$ = idiv(half$, 2);
  const isHigh$ = half$ - 2 * at$;
  let first$ = at(low, at$);
  let second$ = unsigned16(at(high, at$));
  if (isHigh$ == 1) {
    first$ = second$;
    second$ = at(low, at$ + 1);
  }
  const word$ = idiv(v$, perGroup) * k + whole(bitsOf(first$, second$, bit$ - 16 * half$, width));`;

const ARGS = {
  low: 'texture',
  high: 'texture',
  codebook: 'texture',
  d: 'int',
  width: 'int',
  perGroup: 'int',
  k: 'int',
} as const;

const SOURCES: Readonly<Record<'texels' | 'elements', ProgramSource>> = {
  texels: {
    args: ARGS,
    glsl: GLSL,
    functions: FUNCTIONS,
    body: `${TEXEL}
      const v = idiv(i, d);
      ${LOOK_UP.replaceAll('$', '')}
      return texel(codebook, word * d + i - v * d);`,
  },
  elements: {
    args: ARGS,
    glsl: GLSL,
    functions: FUNCTIONS,
    body: `${TEXEL} ${lanes(`
      const v$ = idiv(4 * i + $, d);
      ${LOOK_UP}
      const r$ = at(codebook, word$ * d + 4 * i + $ - v$ * d);`)}
      return [r0, r1, r2, r3];`,
  },
};
