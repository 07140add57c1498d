import * as tf from '@tensorflow/tfjs-core';
import type { Backend } from '@vq4dit/core';
import '@tensorflow/tfjs-backend-cpu';
import '@tensorflow/tfjs-backend-wasm';
import { createTfjsBackend } from '../../src/index.ts';

export { tf };

/** The backends under test; the last drives TensorFlow.js as it drives any backend it cannot see into. */
export const DEVICES: Readonly<Record<string, () => Promise<Backend>>> = {
  'tfjs-wasm': () => createTfjsBackend({ tf, backendName: 'wasm' }),
  'tfjs-cpu': () => createTfjsBackend({ tf, backendName: 'cpu' }),
  'tfjs-cpu through the engine': () =>
    createTfjsBackend({ tf, backendName: 'cpu', direct: false, id: 'tfjs-cpu-engine' }),
};

/** Deterministic values in (-1, 1). */
export function wave(size: number, step = 0.7): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => Math.sin((i + 1) * step));
}
