import { describe, expect, it } from 'vitest';
import { Engine } from '../src/index.ts';

describe('jobs', () => {
  for (const threads of [1, 2, 4]) {
    it(`does every chunk once with ${threads} threads`, async () => {
      const engine = await Engine.create({ threads });
      expect(engine.threads).toBe(threads);
      for (let job = 0; job < 300; job++) {
        const chunks = 1 + ((job * 37) % 500);
        const out = engine.allocate(4 * chunks);
        engine.int32(out, chunks).fill(-1);
        engine.run('testMark', [out, job * 1000, job % 50], chunks);
        const got = engine.int32(out, chunks);
        for (let i = 0; i < chunks; i++)
          if (got[i] !== job * 1000 + i) expect.fail(`job ${job}, chunk ${i}: ${got[i]}`);
        engine.free(out);
      }
      await engine.close();
    });
  }
});
