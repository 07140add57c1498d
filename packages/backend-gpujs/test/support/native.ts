import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { it } from 'vitest';
import type { GpuClass } from '../../src/index.ts';

/** gpu.js beside this package, or where the repository's own tool puts it. */
const PLACES = [
  new URL('../../package.json', import.meta.url),
  new URL('../../../../.native/gpujs/package.json', import.meta.url),
];

/**
 * The folder of gpu.js, or undefined, with word on the console of what is not tested then.
 *
 * @throws Error if it is missing and VQ4DIT_REQUIRE_NATIVE=1 asks for it
 */
export function findGpuJs(what: string): string | undefined {
  for (const place of PLACES) {
    try {
      return dirname(createRequire(place).resolve('gpu.js/package.json'));
    } catch {
      // Not there; perhaps at the next place.
    }
  }
  return missing(
    what,
    'gpu.js is not installed; install it with "node tools/install-native.mjs gpujs"',
  );
}

/** The `GPU` class of the gpu.js in a folder. */
export function loadGpu(folder: string): GpuClass {
  const load = createRequire(join(folder, 'package.json'));
  return (load(folder) as { GPU: GpuClass }).GPU;
}

/** gpu.js in one file, as a browser loads it. */
export const browserBuild = (folder: string): string => join(folder, 'dist', 'gpu-browser.js');

/** Defines tests of headless WebGL, or one skipped test that says why there are none. */
export function whereHeadlessGlRuns(what: string, define: (folder: string) => void): void {
  const needsDisplay = process.platform === 'linux' && !process.env.DISPLAY;
  const folder = findGpuJs(what);
  const isShown =
    !needsDisplay ||
    missing(what, 'there is no display and no Xvfb; install the Debian package xvfb');
  if (folder && isShown) define(folder);
  else it.skip(`${what}: not run`, () => {});
}

function missing(what: string, reason: string): undefined {
  if (process.env.VQ4DIT_REQUIRE_NATIVE === '1') throw new Error(`${what}: ${reason}.`);
  console.warn(`NOT RUN: ${what}, because ${reason}.`);
  return undefined;
}
