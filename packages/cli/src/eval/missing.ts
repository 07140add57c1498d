/** Images in some ranges [from, to). */
export const countMissing = (ranges: readonly (readonly [number, number])[]): number =>
  ranges.reduce((sum, [from, to]) => sum + to - from, 0);
