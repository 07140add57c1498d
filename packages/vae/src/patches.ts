/** Rows of a map that are in memory, one after the other. */
export interface Window {
  /** Its first row in the map. */
  readonly first: number;
  readonly rows: number;
}

/** The size of a map, and whether its convolution works on it doubled. */
export interface PatchGrid {
  readonly height: number;
  readonly width: number;
  /** Every pixel is repeated once in both directions before the convolution. */
  readonly doubled: boolean;
}

/** The rows of the map that 3 x 3 patches around output rows `from` to `to` (exclusive) touch. */
export function patchWindow(grid: PatchGrid, from: number, to: number): Window {
  const factor = grid.doubled ? 2 : 1;
  const first = Math.max(0, Math.floor((from - 1) / factor));
  const last = Math.min(grid.height - 1, Math.floor(to / factor));
  return { first, rows: last - first + 1 };
}

/**
 * For every output pixel of rows `from` to `to` the pixels of its 3 x 3 patch, from the top left, as
 * numbers of pixels within the window; one past the last pixel stands for the zeros around the
 * image. Doubling is a matter of numbers too: no doubled map is made.
 *
 * @returns [(to - from) output width x 9]
 */
export function patchIndices(
  grid: PatchGrid,
  window: Window,
  from: number,
  to: number,
): Int32Array {
  const factor = grid.doubled ? 2 : 1;
  const shift = grid.doubled ? 1 : 0;
  const [height, width] = [grid.height * factor, grid.width * factor];
  const zeros = window.rows * grid.width;
  const out = new Int32Array((to - from) * width * 9);
  let at = 0;
  for (let y = from; y < to; y++) {
    for (let x = 0; x < width; x++) {
      for (let dy = -1; dy <= 1; dy++) {
        const row = y + dy;
        const start = ((row >> shift) - window.first) * grid.width;
        const inside = row >= 0 && row < height;
        for (let dx = -1; dx <= 1; dx++) {
          const column = x + dx;
          out[at++] = inside && column >= 0 && column < width ? start + (column >> shift) : zeros;
        }
      }
    }
  }
  return out;
}
