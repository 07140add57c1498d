import { expect } from 'vitest';

type Values = Float32Array | Float64Array | readonly number[];

/** Largest absolute difference divided by the largest absolute value of the golden tensor. */
export function relativeError(got: Values, golden: Values): number {
  if (got.length !== golden.length) throw new Error(`${got.length} values for ${golden.length}`);
  let difference = 0;
  let scale = 0;
  for (let i = 0; i < golden.length; i++) {
    // NaN must not slip through a maximum.
    const d = Math.abs(got[i]! - golden[i]!);
    if (!(d <= difference)) difference = d;
    scale = Math.max(scale, Math.abs(golden[i]!));
  }
  return difference / scale;
}

const report = process.env.VQ4DIT_TEST_REPORT === '1';

/** With `VQ4DIT_TEST_REPORT=1` the measured error is printed. */
export function expectClose(what: string, got: Values, golden: Values, tolerance: number): void {
  const error = relativeError(got, golden);
  if (report) console.log(`${what}: ${error.toExponential(1)}`);
  expect(error, `${what}: relative error`).toBeLessThanOrEqual(tolerance);
}
