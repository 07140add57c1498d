import { existsSync } from 'node:fs';
import { it } from 'vitest';

/** The native packages of TensorFlow.js, by the names of their folders and backends. */
export type NativeName = 'tfjs-node' | 'tfjs-node-gpu';

/** Where npm would put the package for this one, and where the repository's own tool puts it. */
const places = (name: NativeName) =>
  ['../../../..', `../../../../.native/${name}`].map(
    (root) => new URL(`${root}/node_modules/@tensorflow/${name}/package.json`, import.meta.url),
  );

/**
 * Defines tests of a native binding, or one skipped test that says why there are none.
 *
 * @throws Error if it is missing and VQ4DIT_REQUIRE_NATIVE=1 asks for it
 */
export function whereNativeRuns(name: NativeName, what: string, define: () => void): void {
  if (places(name).some((place) => existsSync(place))) {
    define();
    return;
  }
  const reason = `@tensorflow/${name} is not installed; install it with "node tools/install-native.mjs ${name}"`;
  if (process.env.VQ4DIT_REQUIRE_NATIVE === '1') throw new Error(`${what}: ${reason}.`);
  console.warn(`NOT RUN: ${what}, because ${reason}.`);
  it.skip(`${what}: not run`, () => {});
}
