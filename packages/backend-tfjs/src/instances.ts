import type { Backend } from '@vq4dit/core';
import { BackendUnavailableError } from '@vq4dit/core';
import { createTfjsBackend, type TfjsBackendOptions } from './backend.ts';
import type { TensorInfo, Tf } from './tf.ts';

/** Options of a backend whose TensorFlow.js is loaded for you. */
export type InstanceOptions = Omit<TfjsBackendOptions, 'tf' | 'backendName'>;

/**
 * TensorFlow.js on WebAssembly, from the packages `@tensorflow/tfjs-core` and
 * `@tensorflow/tfjs-backend-wasm`.
 *
 * @throws BackendUnavailableError if a package is missing or the WebAssembly module does not start
 */
export async function createTfjsWasmBackend(
  options: InstanceOptions = {},
): Promise<Backend<TensorInfo>> {
  const tf = await load('@tensorflow/tfjs-core', () => import('@tensorflow/tfjs-core'));
  await load('@tensorflow/tfjs-backend-wasm', () => import('@tensorflow/tfjs-backend-wasm'));
  return createTfjsBackend({ ...options, tf: tf as Tf, backendName: 'wasm' });
}

/**
 * TensorFlow.js in plain JavaScript, from the packages `@tensorflow/tfjs-core` and
 * `@tensorflow/tfjs-backend-cpu`. Slow; for comparisons.
 *
 * @throws BackendUnavailableError if a package is missing
 */
export async function createTfjsCpuBackend(
  options: InstanceOptions = {},
): Promise<Backend<TensorInfo>> {
  const tf = await load('@tensorflow/tfjs-core', () => import('@tensorflow/tfjs-core'));
  await load('@tensorflow/tfjs-backend-cpu', () => import('@tensorflow/tfjs-backend-cpu'));
  return createTfjsBackend({ ...options, tf: tf as Tf, backendName: 'cpu' });
}

/** Imports an optional package. @throws BackendUnavailableError that says how to install it */
export async function load<T>(name: string, importPackage: () => Promise<T>): Promise<T> {
  try {
    return await importPackage();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BackendUnavailableError(
      `The package "${name}" cannot be loaded; install it with "npm install ${name}@4.22.0". (${reason})`,
    );
  }
}
