import type { PackedKernelWeight } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf, texelsOfShape } from '../layout.ts';
import { elementSource, type ProgramSource, texelSource } from '../source.ts';
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
float lowest(float x, int bits) {
  float range = powerOf2(bits);
  return x - range * floor(x / range);
}
float bitsOf(float first, float second, int offset, int width) {
  float value = floor(first / powerOf2(offset));
  int have = 16 - offset;
  if (have >= width) return lowest(value, width);
  return value + lowest(second, width - have) * powerOf2(have);
}
`;

/** Statements that set word to the row of the codebook that sub-vector v names. */
const LOOK_UP = `
  int bit = v * width;
  int half16 = bit / 16;
  int cell = half16 / 2;
  float first = at(low, cell);
  float second = unsigned16(at(high, cell));
  if (half16 - 2 * cell == 1) {
    first = second;
    second = at(low, cell + 1);
  }
  int word = v / perGroup * k + whole(bitsOf(first, second, bit - 16 * half16, width));`;

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
  texels: texelSource(
    ARGS,
    `int v = i / d; ${LOOK_UP} return texel(codebook, word * d + i - v * d);`,
    GLSL,
  ),
  elements: elementSource(
    ARGS,
    `int v = e / d; ${LOOK_UP} return at(codebook, word * d + e - v * d);`,
    GLSL,
  ),
};
