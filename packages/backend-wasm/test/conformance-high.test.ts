import { freemem } from 'node:os';
import { defineConformance } from '@vq4dit/conformance/vitest';
import { describe, it } from 'vitest';
import { createWasmBackend } from '../src/index.ts';

// Addresses above 2^31 are negative where they are taken for signed. Nothing is written below: the
// block that is in the way is reserved and takes no memory.
const BLOCK_BYTES = 2.5 * 2 ** 30;

if (freemem() > 2 ** 29) {
  defineConformance({
    name: 'wasm, every tensor above 2 GiB',
    numRuns: 5,
    tier: 'f32',
    async create() {
      const backend = await createWasmBackend({ threads: 2, relaxed: false });
      backend.engine.allocate(BLOCK_BYTES);
      return backend;
    },
  });
} else {
  describe('wasm, every tensor above 2 GiB', () => {
    it.skip('not run: less than 512 MiB of memory are free', () => {});
  });
}
