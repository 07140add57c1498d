import type { Shape } from '@vq4dit/core';

/** One axis of the result: its size, and how far each operand moves along it, in elements. */
export interface Axis {
  readonly size: number;
  readonly steps: readonly number[];
}

/** Elements from one index of an axis to the next, row-major. */
export function stridesOf(shape: Shape): number[] {
  const strides = new Array<number>(shape.length).fill(1);
  for (let axis = shape.length - 2; axis >= 0; axis--) {
    strides[axis] = strides[axis + 1]! * shape[axis + 1]!;
  }
  return strides;
}

/** The same walk with as few axes as it needs: those of size 1 go, those that follow on become one. */
export function collapse(axes: readonly Axis[]): Axis[] {
  const out: Axis[] = [];
  for (const axis of axes) {
    if (axis.size === 1) continue;
    const last = out.at(-1);
    if (last?.steps.every((step, i) => step === axis.size * axis.steps[i]!)) {
      out[out.length - 1] = { size: last.size * axis.size, steps: axis.steps };
    } else {
      out.push(axis);
    }
  }
  return out.length > 0 ? out : [{ size: 1, steps: axes[0]?.steps.map(() => 0) ?? [] }];
}

/**
 * GLSL that turns the number `from` of an element into the offset of each operand, `offset<operand>`.
 * Sizes are the arguments n1, n2, ... (n0 is not needed), steps are s<operand>_<axis>, starts are
 * start<operand>.
 */
export function walk(rank: number, operands: number, from: string): string {
  const lines: string[] = [];
  let rest = from;
  for (let axis = rank - 1; axis > 0; axis--) {
    lines.push(`int q${axis} = ${rest} / n${axis};`);
    lines.push(`int c${axis} = ${rest} - q${axis} * n${axis};`);
    rest = `q${axis}`;
  }
  lines.push(`int c0 = ${rest};`);
  for (let operand = 0; operand < operands; operand++) {
    const terms = Array.from({ length: rank }, (_, axis) => `c${axis} * s${operand}_${axis}`);
    lines.push(`int offset${operand} = start${operand} + ${terms.join(' + ')};`);
  }
  return lines.join('\n');
}

/** The arguments that {@link walk} needs. */
export function walkArgs(rank: number, operands: number): Record<string, 'int'> {
  const args: Record<string, 'int'> = {};
  for (let axis = 1; axis < rank; axis++) args[`n${axis}`] = 'int';
  for (let operand = 0; operand < operands; operand++) {
    args[`start${operand}`] = 'int';
    for (let axis = 0; axis < rank; axis++) args[`s${operand}_${axis}`] = 'int';
  }
  return args;
}

/** Their values, in that order. */
export function walkValues(axes: readonly Axis[], starts: readonly number[]): number[] {
  const steps = starts.flatMap((start, i) => [start, ...axes.map((axis) => axis.steps[i]!)]);
  return [...axes.slice(1).map((axis) => axis.size), ...steps];
}
