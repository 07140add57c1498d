import { defineConformance } from '@vq4dit/conformance/vitest';
import { createTfjsWasmBackend } from '../src/index.ts';

defineConformance({ name: 'tfjs-wasm', create: () => createTfjsWasmBackend(), tier: 'f32' });
