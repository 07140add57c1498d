import { ARGUMENT_WORDS } from '../control.ts';
import type { Engine } from '../engine.ts';

/** An axis along which two tensors are walked: how long it is and how far each one moves. */
export interface Axis {
  readonly length: number;
  /** Elements from one index to the next, of the first and of the second tensor. */
  readonly steps: readonly [number, number];
}

/**
 * The same walk with fewer axes: those of length 1 are dropped, and two become one where both
 * tensors go on along the outer one from where the inner one ends. Outermost first.
 */
export function joinAxes(axes: readonly Axis[]): Axis[] {
  const joined: Axis[] = [];
  for (const axis of axes) {
    if (axis.length === 1) continue;
    const outer = joined.at(-1);
    if (outer && axis.steps.every((step, i) => outer.steps[i] === step * axis.length)) {
      joined[joined.length - 1] = { length: outer.length * axis.length, steps: axis.steps };
    } else {
      joined.push(axis);
    }
  }
  return joined;
}

/** Number of positions. */
export function positions(axes: readonly Axis[]): number {
  return axes.reduce((product, { length }) => product * length, 1);
}

/**
 * Runs a kernel whose arguments end in axes: the address of their table (0 if it follows at once),
 * their number, and the table, last axis first (see assembly/movement-walk.ts).
 */
export function runWalk(
  engine: Engine,
  kernel: string,
  args: readonly number[],
  axes: readonly Axis[],
  chunks: number,
): void {
  const table = axes.flatMap(({ length, steps }) => [[length, ...steps]]).reverse();
  const words = table.length === 0 ? [1, 0, 0] : table.flat();
  const count = words.length / 3;
  if (args.length + 2 + words.length <= ARGUMENT_WORDS) {
    engine.run(kernel, [...args, 0, count, ...words], chunks);
    return;
  }
  engine.withTemporary(4 * words.length, (address) => {
    engine.int32(address, words.length).set(words);
    engine.run(kernel, [...args, address, count], chunks);
  });
}
