import { hasNvidiaDriver } from '@vq4dit/backend-tfjs/nvidia';
import { isModuleSpecifier, loadBackend } from '@vq4dit/conformance/backend-module';
import { BackendRegistry } from '@vq4dit/core';

/**
 * The backends that come with the command line, best first. The only place that names them; each is
 * loaded when it is started, because most commands need none.
 */
export function createRegistry(): BackendRegistry {
  const registry = new BackendRegistry();
  registry.register({
    id: 'tfjs-node-gpu',
    description: 'Native TensorFlow on an NVIDIA GPU; needs @tensorflow/tfjs-node-gpu and CUDA',
    // The best where it runs on a GPU, which it can only where there is a driver. On the processor
    // it has no advantage, takes seconds to load, and is never chosen without its name.
    priority: hasNvidiaDriver() ? 40 : 4,
    gpu: 'only',
    create: async () => {
      await silenceTensorFlow();
      return (await import('@vq4dit/backend-tfjs')).createTfjsNodeGpuBackend();
    },
  });
  registry.register({
    id: 'wasm',
    description: 'Our own WebAssembly kernels, with SIMD, on all cores',
    priority: 30,
    create: async () => (await import('@vq4dit/backend-wasm')).createWasmBackend(),
  });
  registry.register({
    id: 'tfjs-node',
    description: 'Native TensorFlow on the processor, all cores; needs @tensorflow/tfjs-node',
    priority: 25,
    gpu: 'never',
    create: async () => {
      await silenceTensorFlow();
      return (await import('@vq4dit/backend-tfjs')).createTfjsNodeBackend();
    },
  });
  registry.register({
    id: 'tfjs-wasm',
    description: 'TensorFlow.js on WebAssembly with SIMD, one thread',
    priority: 20,
    create: async () => (await import('@vq4dit/backend-tfjs')).createTfjsWasmBackend(),
  });
  registry.register({
    id: 'tfjs-cpu',
    description: 'TensorFlow.js in plain JavaScript',
    priority: 10,
    create: async () => {
      await silenceTensorFlow();
      return (await import('@vq4dit/backend-tfjs')).createTfjsCpuBackend();
    },
  });
  registry.register({
    id: 'gpujs',
    description: 'gpu.js in WebGL without a window; needs gpu.js, gl and on Linux a display',
    priority: 5,
    create: async () =>
      (await import('@vq4dit/backend-gpujs')).createHeadlessGpujsBackend({ id: 'gpujs' }),
  });
  registry.register({
    id: 'reference',
    description: 'The definition of every operation, in float64; slow, for checking',
    priority: -1,
    create: async () => (await import('@vq4dit/backend-reference')).createReferenceBackend(),
  });
  return registry;
}

/**
 * Two native libraries of TensorFlow end the process that loads both, and what fails while it is
 * loaded may, too: whoever tries backends that it does not need has these tried in other processes.
 */
export const NATIVE: readonly string[] = ['tfjs-node', 'tfjs-node-gpu'];

/**
 * Otherwise TensorFlow.js advertises its native package on stderr, even with --quiet, and complains
 * about every kernel of the processor that the native packages bring a second time.
 */
async function silenceTensorFlow(): Promise<void> {
  (await import('@tensorflow/tfjs-core')).enableProdMode();
}

/**
 * The same list with the backend that `--backend` names, where that is a module of somebody else.
 *
 * @param name an id or a module, as in `./my-backend.js#createMyBackend`
 * @returns the list, and the id under which the named backend is in it
 * @throws BackendUnavailableError where there is no such module
 */
export async function registryWith(
  name: string | undefined,
): Promise<{ readonly registry: BackendRegistry; readonly id: string | undefined }> {
  const registry = createRegistry();
  const isKnown = registry.list().some(({ id }) => id === name);
  if (name === undefined || isKnown || !isModuleSpecifier(name)) return { registry, id: name };
  const loaded = await loadBackend(name);
  registry.register(loaded);
  return { registry, id: loaded.id };
}
