import type { BinaryOp, Shape } from '@vq4dit/core';
import type { GlDevice } from '../device.ts';
import type { GpuTexture } from '../gpu-js.ts';
import { fills, texelsOfShape } from '../layout.ts';
import { elementSource, type ProgramSource, texelSource } from '../source.ts';
import type { Input } from '../tensor.ts';
import { map, perElement } from './map.ts';
import { type Axis, collapse, stridesOf, walk, walkArgs, walkValues } from './strides.ts';

/** `vec4 apply(vec4, vec4)`. */
const GLSL: Readonly<Record<BinaryOp, string>> = {
  add: 'vec4 apply(vec4 a, vec4 b) { return a + b; }',
  sub: 'vec4 apply(vec4 a, vec4 b) { return a - b; }',
  mul: 'vec4 apply(vec4 a, vec4 b) { return a * b; }',
  div: 'vec4 apply(vec4 a, vec4 b) { return a / b; }',
  maximum: perElement('float f(float a, float b) { return larger(a, b); }', 2),
  minimum: perElement('float f(float a, float b) { return -larger(-a, -b); }', 2),
  greater: 'vec4 apply(vec4 a, vec4 b) { return vec4(greaterThan(a, b)); }',
};

/** a and b broadcast to `shape`. */
export function binary(
  device: GlDevice,
  op: BinaryOp,
  a: Input,
  b: Input,
  shape: Shape,
): GpuTexture {
  const axes = broadcastAxes(a.shape, b.shape, shape);
  const texels = texelsOfShape(shape);
  const textures = [a.handle.low, b.handle.low];
  const [first] = axes;
  if (axes.length === 1 && first!.steps[0] === first!.steps[1]) {
    return map(device, `binary.${op}`, GLSL[op], texels, textures);
  }
  const last = axes.at(-1)!;
  const rank = axes.length;
  if (fills(last.size)) {
    // Each operand moves along the last axis in whole texels, or stays on one element.
    const moves = last.steps.map((step) => step === 1);
    const inTexels = axes.map(({ size, steps }, i) => ({
      size: i === rank - 1 ? size / 4 : size,
      steps: steps.map((step, j) => (i === rank - 1 ? step : moves[j] ? step / 4 : step)),
    }));
    const name = `binary.${op}.texels(${rank},${moves})`;
    const source = () => walkSource(op, rank, moves);
    return device.run(name, source, texels, [...textures, ...walkValues(inTexels, [0, 0])]);
  }
  const values = walkValues(axes, [0, 0]);
  const source = () => elementWalkSource(op, rank);
  return device.run(`binary.${op}.elements(${rank})`, source, texels, [...textures, ...values]);
}

function walkSource(op: BinaryOp, rank: number, moves: readonly boolean[]): ProgramSource {
  const args = { x0: 'texture', x1: 'texture', ...walkArgs(rank, 2) } as const;
  const values = moves.map((isMoving, i) =>
    isMoving ? `texel(x${i}, offset${i})` : `vec4(at(x${i}, offset${i}))`,
  );
  return texelSource(
    args,
    `${walk(rank, 2, 'i')}
    return apply(${values.join(', ')});`,
    GLSL[op],
  );
}

function elementWalkSource(op: BinaryOp, rank: number): ProgramSource {
  return elementSource(
    { x0: 'texture', x1: 'texture', ...walkArgs(rank, 2) },
    `${walk(rank, 2, 'e')}
    return apply(vec4(at(x0, offset0)), vec4(at(x1, offset1))).x;`,
    GLSL[op],
  );
}

/** Walks of both operands over the result. A stretched axis has step 0. */
function broadcastAxes(a: Shape, b: Shape, shape: Shape): Axis[] {
  const strides = [a, b].map((operand) => stridesOf(operand));
  const axes = shape.map((size, axis) => ({
    size,
    steps: [a, b].map((operand, i) => {
      const own = axis - (shape.length - operand.length);
      return own < 0 || operand[own] === 1 ? 0 : strides[i]![own]!;
    }),
  }));
  return axes.length > 0 ? collapse(axes) : [{ size: 1, steps: [0, 0] }];
}
