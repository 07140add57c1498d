import { defineConformance } from '@vq4dit/conformance/vitest';
import { createWasmBackend } from '../src/index.ts';

defineConformance({
  name: 'wasm, simd128, one thread',
  create: () => createWasmBackend({ threads: 1, relaxed: false }),
  tier: 'f32',
});

defineConformance({
  name: 'wasm, simd128, three threads',
  create: () => createWasmBackend({ threads: 3, relaxed: false }),
  tier: 'f32',
});
