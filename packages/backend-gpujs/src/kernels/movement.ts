import { type Shape, sizeOf } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOf } from '../layout.ts';
import { elementSource, type ProgramSource, texelSource } from '../source.ts';
import { type GlTensor, type Input, withTemporaries } from '../tensor.ts';
import { map } from './map.ts';
import { type Axis, collapse, stridesOf, walk, walkArgs, walkValues } from './strides.ts';

/** Output axis i is input axis `axes[i]`. */
export function permute(device: GlDevice, x: Input, axes: readonly number[]): GlTensor {
  const strides = stridesOf(x.shape);
  const walked = axes.map((axis) => ({ size: x.shape[axis]!, steps: [strides[axis]!] }));
  return eachHalf(x.handle, (texture) => copy(device, texture, 0, walked));
}

export function slice(
  device: GlDevice,
  x: Input,
  begin: readonly number[],
  size: readonly number[],
): GlTensor {
  const strides = stridesOf(x.shape);
  const start = begin.reduce((sum, at, axis) => sum + at * strides[axis]!, 0);
  const walked = size.map((count, axis) => ({ size: count, steps: [strides[axis]!] }));
  return eachHalf(x.handle, (texture) => copy(device, texture, start, walked));
}

/** Applies a movement to each of the textures of a tensor. */
export function eachHalf(x: GlTensor, move: (texture: GpuTexture) => GpuTexture): GlTensor {
  const low = move(x.low);
  return x.high ? { low, high: move(x.high) } : { low };
}

/** The elements that a walk from `start` meets, in its order. */
export function copy(
  device: GlDevice,
  texture: GpuTexture,
  start: number,
  walked: readonly Axis[],
): GpuTexture {
  const axes = walked.length > 0 ? collapse(walked) : [{ size: 1, steps: [0] }];
  const last = axes.at(-1)!;
  const rank = axes.length;
  const texels = texelsOf(sizeOf(axes.map((axis) => axis.size)));
  const isWhole =
    fills(last.size) &&
    last.steps[0] === 1 &&
    fills(start) &&
    axes.slice(0, -1).every((axis) => fills(axis.steps[0]!));
  const name = `copy.${isWhole ? 'texels' : 'elements'}(${rank})`;
  const source = () => copySource(rank, isWhole);
  if (!isWhole) return device.run(name, source, texels, [texture, ...walkValues(axes, [start])]);
  const inTexels = axes.map(({ size, steps: [step] }, i) =>
    i === rank - 1 ? { size: size / 4, steps: [1] } : { size, steps: [step! / 4] },
  );
  return device.run(name, source, texels, [texture, ...walkValues(inTexels, [start / 4])]);
}

function copySource(rank: number, isWhole: boolean): ProgramSource {
  const args = { x0: 'texture', ...walkArgs(rank, 1) } as const;
  return isWhole
    ? texelSource(args, `${walk(rank, 1, 'i')} return texel(x0, offset0);`)
    : elementSource(args, `${walk(rank, 1, 'e')} return at(x0, offset0);`);
}

/** Joins tensors along one axis. */
export function concat(device: GlDevice, xs: readonly Input[], axis: number): GlTensor {
  const outer = sizeOf(xs[0]!.shape.slice(0, axis));
  const widths = xs.map((x) => sizeOf(x.shape) / outer);
  const join = (textures: readonly GpuTexture[]) => joinRows(device, textures, widths, outer);
  if (xs.every((x) => x.handle.high === undefined)) {
    return { low: join(xs.map((x) => x.handle.low)) };
  }
  return withTemporaries(device, (temporary) => {
    const split = xs.map((x) => {
      if (x.handle.high) return x.handle;
      const { low, high } = splitOnDevice(device, x.handle.low, texelsOf(sizeOf(x.shape)));
      return { low: temporary(low), high: temporary(high) };
    });
    return { low: join(split.map((x) => x.low)), high: join(split.map((x) => x.high!)) };
  });
}

/** Both halves of integers that one texture holds. */
export function splitOnDevice(
  device: GlDevice,
  texture: GpuTexture,
  texels: number,
): { low: GpuTexture; high: GpuTexture } {
  const high = 'vec4 apply(vec4 x) { return floor(x / 65536.0); }';
  const low = 'vec4 apply(vec4 x) { return x - 65536.0 * floor(x / 65536.0); }';
  return {
    low: map(device, 'split.low', low, texels, [texture]),
    high: map(device, 'split.high', high, texels, [texture]),
  };
}

/** Textures [outer, widths[i]] side by side; as many at once as a kernel can read. */
export function joinRows(
  device: GlDevice,
  textures: readonly GpuTexture[],
  widths: readonly number[],
  outer: number,
): GpuTexture {
  const limit = device.maxInputs;
  if (textures.length > limit) {
    return withTemporaries(device, (temporary) => {
      const groups: { texture: GpuTexture; width: number }[] = [];
      for (let i = 0; i < textures.length; i += limit) {
        const part = widths.slice(i, i + limit);
        const joined = joinRows(device, textures.slice(i, i + limit), part, outer);
        groups.push({ texture: temporary(joined), width: sum(part) });
      }
      const joined = groups.map((group) => group.texture);
      return joinRows(
        device,
        joined,
        groups.map((group) => group.width),
        outer,
      );
    });
  }
  const isWhole = widths.every(fills);
  const units = isWhole ? widths.map((width) => width / 4) : widths;
  const name = `concat.${isWhole ? 'texels' : 'elements'}(${textures.length})`;
  const texels = texelsOf(outer * sum(widths));
  const source = () => concatSource(textures.length, isWhole);
  return device.run(name, source, texels, [...textures, sum(units), ...units]);
}

function concatSource(count: number, isWhole: boolean): ProgramSource {
  const inputs = Array.from({ length: count }, (_, i) => i);
  const args = {
    ...Object.fromEntries(inputs.map((i) => [`x${i}`, 'texture'] as const)),
    total: 'int',
    ...Object.fromEntries(inputs.map((i) => [`w${i}`, 'int'] as const)),
  } as const;
  const [fetch, from] = isWhole ? ['texel', 'i'] : ['at', 'e'];
  const lines = inputs.map(
    (i) => `if (c < w${i}) return ${fetch}(x${i}, row * w${i} + c);
      c -= w${i};`,
  );
  const statements = `
    int row = ${from} / total;
    int c = ${from} - row * total;
    ${lines.join('\n')}
    return ${isWhole ? 'vec4(0.0)' : '0.0'};`;
  return isWhole ? texelSource(args, statements) : elementSource(args, statements);
}

const sum = (values: readonly number[]): number => values.reduce((a, b) => a + b, 0);

/** The dimensions of a matrix. */
export function matrix(shape: Shape): [rows: number, columns: number] {
  return shape as unknown as [number, number];
}
