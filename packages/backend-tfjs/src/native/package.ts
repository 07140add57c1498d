import { BackendUnavailableError } from '@vq4dit/core';
import type { Tf } from '../tf.ts';
import { prepareEnvironment } from './environment.ts';
import { howToBuild, howToInstall, type NativePackage } from './install.ts';
import { nodeProcess, type Require } from './node.ts';

/** Beside this package, as npm installs it, or where this repository's own tool puts it. */
const places = (id: NativePackage) => [
  import.meta.url,
  new URL(`../../../../.native/${id.replace('@tensorflow/', '')}/package.json`, import.meta.url),
];

/** Two bindings register the same backend and load TensorFlow twice, which ends the process. */
const LOADED = Symbol.for('@vq4dit/backend-tfjs: native package');

/**
 * Loads `@tensorflow/tfjs-node` or `-gpu`, with TensorFlow's environment set before.
 *
 * @throws BackendUnavailableError that says what to install or to build on this platform
 */
export function loadNative(id: NativePackage, tf32: boolean): Tf {
  const process = nodeProcess();
  const node = process?.getBuiltinModule;
  if (!process || !node) {
    throw new BackendUnavailableError(
      `${id} needs Node 20.16 or newer; browsers have no use for it.`,
    );
  }
  const { createRequire } = node('node:module');
  const load = places(id)
    .map((place) => createRequire(place))
    .find((require) => resolves(require, id));
  if (!load) {
    throw new BackendUnavailableError(`${id} is not installed; ${howToInstall(id, process)}.`);
  }
  const scope = globalThis as { [LOADED]?: NativePackage };
  if (scope[LOADED] !== undefined && scope[LOADED] !== id) {
    throw new BackendUnavailableError(
      `${id} cannot be loaded into a process that has ${scope[LOADED]}; start another process for it.`,
    );
  }
  prepareEnvironment(process.env, tf32);
  restoreUtil(node('node:util'));
  try {
    // Set before the attempt: a binding that fails late has loaded TensorFlow nevertheless.
    scope[LOADED] = id;
    return load(id) as Tf;
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    throw new BackendUnavailableError(
      `${id} is installed and its native part does not load; ${howToBuild(id, process)}. (${message.split('\n')[0]})`,
      { cause: error },
    );
  }
}

function resolves(require: Require, id: string): boolean {
  try {
    require.resolve(id);
    return true;
  } catch {
    return false;
  }
}

/** Node 23 removed a function from `util` that version 4.22 of the package still calls. */
export function restoreUtil(util: Record<string, unknown>): void {
  util.isNullOrUndefined ??= (x: unknown) => x === null || x === undefined;
}
