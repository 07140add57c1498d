import { isModuleSpecifier, loadBackend } from '@vq4dit/conformance/backend-module';
import { BackendRegistry } from '@vq4dit/core';

/**
 * The backends that come with the command line, best first. The only place that names them; each is
 * loaded when it is started, because most commands need none.
 */
export function createRegistry(): BackendRegistry {
  const registry = new BackendRegistry();
  registry.register({
    id: 'wasm',
    description: 'Our own WebAssembly kernels, with SIMD, on all cores',
    priority: 30,
    create: async () => (await import('@vq4dit/backend-wasm')).createWasmBackend(),
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
      // Without this the library advertises its native package on stderr, even with --quiet.
      const { enableProdMode } = await import('@tensorflow/tfjs-core');
      enableProdMode();
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
