import { createReferenceBackend } from '@vq4dit/backend-reference';
import { createTfjsWasmBackend } from '@vq4dit/backend-tfjs';
import type { Backend } from '@vq4dit/core';

/** The backends that every comparison with a golden runs on. */
export const BACKENDS: readonly { readonly name: string; create(): Promise<Backend> }[] = [
  { name: 'reference', create: async () => createReferenceBackend() as Backend },
  { name: 'tfjs-wasm', create: async () => (await createTfjsWasmBackend()) as Backend },
];
