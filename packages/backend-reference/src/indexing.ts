import type { Shape } from '@vq4dit/core';

/** Maps a row-major position in `shape` to an offset under other `strides`. */
export function coordinates(
  shape: Shape,
  strides: readonly number[],
  base = 0,
): (position: number) => number {
  const rank = shape.length;
  return (position) => {
    let rest = position;
    let offset = base;
    for (let axis = rank - 1; axis >= 0; axis--) {
      const dim = shape[axis]!;
      offset += (rest % dim) * strides[axis]!;
      rest = Math.floor(rest / dim);
    }
    return offset;
  };
}
