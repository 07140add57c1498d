import { createWasmBackend } from '@vq4dit/backend-wasm';
import { createRegistry } from '@vq4dit/cli';
import { ArgumentError, type Backend } from '@vq4dit/core';

/**
 * Starts a backend, by default the best there is; a number of threads is for `wasm` alone.
 *
 * @throws ArgumentError for threads of another backend
 * @throws BackendUnavailableError
 */
export async function startBackend(
  id: string | undefined,
  threads: number | undefined,
): Promise<Backend> {
  if (threads === undefined) return createRegistry().init(id);
  if (id !== undefined && id !== 'wasm') {
    throw new ArgumentError(`--threads is for the backend wasm; ${id} has none to choose.`);
  }
  return createWasmBackend({ threads });
}
