import { defineConformance } from '@vq4dit/conformance/vitest';
import { expect, it } from 'vitest';
import { createWasmBackend } from '../src/index.ts';
import { allowRelaxedSimd } from './support/relaxed.ts';

allowRelaxedSimd();

it('runs the relaxed build', async () => {
  const backend = await createWasmBackend();
  expect(backend.engine.relaxed).toBe(true);
  await backend.close();
});

defineConformance({
  name: 'wasm, relaxed SIMD, one thread',
  create: () => createWasmBackend({ threads: 1 }),
  tier: 'f32',
});

defineConformance({
  name: 'wasm, relaxed SIMD, two threads',
  create: () => createWasmBackend({ threads: 2 }),
  tier: 'f32',
});
