import type { Backend, PrecisionTier } from '@vq4dit/core';
import { BackendUnavailableError } from '@vq4dit/core';
import { createTfjsBackend } from '../backend.ts';
import { EngineDevice } from '../engine-device.ts';
import type { TensorInfo, Tf } from '../tf.ts';
import type { NativePackage } from './install.ts';
import { loadNative } from './package.ts';
import { productsAreExact } from './products.ts';

/** Options of {@link createTfjsNodeBackend} and {@link createTfjsNodeGpuBackend}. */
export interface NativeOptions {
  /** The id of the resulting backend. Default: `tfjs-node` or `tfjs-node-gpu`. */
  readonly id?: string;
  /**
   * True: let CUDA round the inputs of products to TF32, which is faster on GPUs from Ampere on; the
   * backend then declares the precision `tf32`. Default false: it is switched off before TensorFlow
   * is loaded, and that it is off is measured.
   */
  readonly tf32?: boolean;
}

/**
 * Native TensorFlow on the processor, from the package `@tensorflow/tfjs-node`.
 *
 * @throws BackendUnavailableError that says what to install, or why TensorFlow does not start
 */
export function createTfjsNodeBackend(options: NativeOptions = {}): Promise<Backend<TensorInfo>> {
  return create('@tensorflow/tfjs-node', 'tfjs-node', options);
}

/**
 * Native TensorFlow on an NVIDIA GPU, from the package `@tensorflow/tfjs-node-gpu`. Without a GPU
 * that CUDA can use it runs on the processor, and `info()` says so.
 *
 * @throws BackendUnavailableError that says what to install, or why TensorFlow does not start
 */
export function createTfjsNodeGpuBackend(
  options: NativeOptions = {},
): Promise<Backend<TensorInfo>> {
  return create('@tensorflow/tfjs-node-gpu', 'tfjs-node-gpu', options);
}

async function create(
  name: NativePackage,
  id: string,
  options: NativeOptions,
): Promise<Backend<TensorInfo>> {
  const tf32 = options.tf32 ?? false;
  const tf = loadNative(name, tf32);
  await ready(tf, name);
  const precision = await measurePrecision(tf, tf32);
  return createTfjsBackend({ tf, backendName: 'tensorflow', id: options.id ?? id, precision });
}

async function ready(tf: Tf, name: NativePackage): Promise<void> {
  if (await tf.setBackend('tensorflow').catch(() => false)) return;
  throw new BackendUnavailableError(`${name} is loaded and TensorFlow does not start.`);
}

/**
 * The tier that products really have.
 *
 * @throws BackendUnavailableError if they are rounded and nobody asked for it
 */
export async function measurePrecision(tf: Tf, tf32: boolean): Promise<PrecisionTier> {
  if (await productsAreExact(new EngineDevice(tf, 'tensorflow'))) {
    // Asked for, a GPU may still round the products of other shapes.
    const { isUsingGpuDevice } = tf.findBackend('tensorflow') as { isUsingGpuDevice?: boolean };
    return tf32 && isUsingGpuDevice ? 'tf32' : 'f32';
  }
  if (tf32) return 'tf32';
  throw new BackendUnavailableError(
    'TensorFlow rounds the inputs of products to TF32 or less although that is switched off; load it nowhere else in this process before, and unset TF_SET_ONEDNN_FPMATH_MODE.',
  );
}
