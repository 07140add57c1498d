import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { type ProgramSource, TEXEL } from '../source.ts';

/**
 * An elementwise kernel: `glsl` defines `vec4 apply(...)` of one vec4 for each texture, then one
 * float for each number.
 */
export function map(
  device: GlDevice,
  name: string,
  glsl: string,
  texels: number,
  textures: readonly GpuTexture[],
  numbers: readonly number[] = [],
): GpuTexture {
  const source = () => mapSource(glsl, textures.length, numbers.length);
  return device.run(name, source, texels, [...textures, ...numbers]);
}

function mapSource(glsl: string, textures: number, numbers: number): ProgramSource {
  const x = Array.from({ length: textures }, (_, i) => `x${i}`);
  const s = Array.from({ length: numbers }, (_, i) => `s${i}`);
  const values = [...x.map((id) => `texel(${id}, i)`), ...s];
  return {
    args: Object.fromEntries([
      ...x.map((id) => [id, 'texture'] as const),
      ...s.map((id) => [id, 'float'] as const),
    ]),
    glsl,
    functions: {
      apply: ['vec4', ...x.map(() => 'vec4' as const), ...s.map(() => 'float' as const)],
    },
    body: `${TEXEL} return apply(${values.join(', ')});`,
  };
}

/** GLSL of a vec4 function from one of floats: `vec4 apply(vec4 a, ...)` calls `f(a.x, ...)`. */
export function perElement(f: string, textures: number, numbers = 0): string {
  const vectors = Array.from({ length: textures }, (_, i) => `x${i}`);
  const floats = Array.from({ length: numbers }, (_, i) => `s${i}`);
  const parameters = [...vectors.map((id) => `vec4 ${id}`), ...floats.map((id) => `float ${id}`)];
  const calls = ['x', 'y', 'z', 'w'].map(
    (lane) => `f(${[...vectors.map((id) => `${id}.${lane}`), ...floats].join(', ')})`,
  );
  return `${f}\nvec4 apply(${parameters.join(', ')}) { return vec4(${calls.join(', ')}); }\n`;
}
