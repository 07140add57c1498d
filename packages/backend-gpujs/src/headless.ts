import { type Backend, BackendUnavailableError } from '@vq4dit/core';
import { createGpujsBackend, type GpujsBackendOptions } from './backend.ts';
import type { GpuClass } from './gpu-js.ts';
import type { GlTensor } from './tensor.ts';

/** Node's own modules are asked for when they are used: browsers load this file, too. */
interface NodeProcess {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  getBuiltinModule?(name: 'node:module'): { createRequire(from: string | URL): Require };
}

interface Require {
  (id: string): unknown;
  resolve(id: string): string;
}

/** Where gpu.js may be: installed beside this package, or by this repository's own tool. */
const PLACES = [import.meta.url, new URL('../../../.native/gpujs/package.json', import.meta.url)];

/** Options of {@link createHeadlessGpujsBackend}. */
export type HeadlessGpujsOptions = Omit<GpujsBackendOptions, 'GPU' | 'mode' | 'versions'>;

/**
 * The backend in Node: finds gpu.js and the package `gl`, which are optional.
 *
 * @throws BackendUnavailableError that says what to install on this platform, or that there is no
 * display
 */
export async function createHeadlessGpujsBackend(
  options: HeadlessGpujsOptions = {},
): Promise<Backend<GlTensor>> {
  const { process } = globalThis as { process?: NodeProcess };
  const node = process?.getBuiltinModule?.('node:module');
  if (!process || !node) {
    throw new BackendUnavailableError(
      'The mode "headlessgl" of gpu.js needs Node 20.16 or newer; browsers have "webgl2".',
    );
  }
  const installed = PLACES.map((place) => node.createRequire(place)).find((load) =>
    resolves(load, 'gpu.js'),
  );
  const load = installed && node.createRequire(installed.resolve('gpu.js'));
  if (!load || !resolves(load, 'gl')) {
    const missing = installed ? 'The package gl, which gpu.js needs in Node,' : 'gpu.js';
    throw new BackendUnavailableError(`${missing} is not installed; ${howToInstall(process)}.`);
  }
  if (process.platform === 'linux' && !process.env.DISPLAY) {
    throw new BackendUnavailableError(
      'gpu.js needs an X display on Linux and DISPLAY is not set; run the command under "xvfb-run -a" (Debian package xvfb).',
    );
  }
  const version = (id: string) => (load(`${id}/package.json`) as { version: string }).version;
  const { GPU } = load('gpu.js') as { GPU: GpuClass };
  const versions = { 'gpu.js': version('gpu.js'), gl: version('gl') };
  return createGpujsBackend({ ...options, GPU, mode: 'headlessgl', versions });
}

function resolves(load: Require, id: string): boolean {
  try {
    load.resolve(id);
    return true;
  } catch {
    return false;
  }
}

/** gl has to be compiled where there is no finished build of it for this Node. */
export function howToInstall({ platform }: { readonly platform: string }): string {
  const install = 'run "npm install gpu.js@^2.24 gl@^8.1"';
  if (platform === 'darwin') return `${install} (a build of gl needs "xcode-select --install")`;
  if (platform === 'win32') {
    return `${install} (a build of gl needs Python and the Visual Studio C++ build tools)`;
  }
  return `${install} after "apt-get install build-essential python3 pkg-config libxi-dev libglu1-mesa-dev libglew-dev xvfb" (Debian, Ubuntu), or in a checkout of this project "node tools/install-native.mjs gpujs"`;
}
