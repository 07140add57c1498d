import { describe, expect, it } from 'vitest';
import { Engine } from '../src/index.ts';

describe('jobs', () => {
  // More threads than cores: some are late for nearly every job. Short jobs of very different numbers
  // of chunks, one after the other: who mistakes one job for the next does a chunk twice, or one that
  // does not exist.
  it.each([1, 2, 4, 8])('do every chunk exactly once with %i threads', async (threads) => {
    const engine = await Engine.create({ threads, stallSeconds: 5 });
    expect(engine.threads).toBe(threads);
    const most = 500;
    const out = engine.allocate(4 * most);
    for (let job = 0; job < 20_000; job++) {
      const chunks = job % 2 === 0 ? 2 + (job % 7) : 1 + ((job * 37) % most);
      const view = engine.int32(out, most).fill(0);
      engine.run('testMark', [out, 1000, job % 50], chunks);
      let wrong = -1;
      for (let i = 0; i < most; i++) if (view[i] !== (i < chunks ? 1000 + i : 0)) wrong = i;
      if (wrong >= 0) expect.fail(`job ${job} of ${chunks} chunks: chunk ${wrong} ${view[wrong]}`);
    }
    await engine.close();
  });

  it('come one after the other when their arguments differ only in what they point at', async () => {
    const engine = await Engine.create({ threads: 3 });
    const blocks = [0, 1, 2].map(() => engine.allocate(400));
    for (const block of blocks) engine.int32(block, 100).fill(0);
    for (let i = 0; i < 999; i++) engine.run('testMark', [blocks[i % 3]!, 1, 0], 100);
    for (const block of blocks) {
      expect([...engine.int32(block, 100)]).toEqual(
        Array.from({ length: 100 }, (_, i) => 333 * (i + 1)),
      );
    }
    await engine.close();
  });

  it('are refused if their kernel is unknown or has too many arguments', async () => {
    const engine = await Engine.create({ threads: 1 });
    expect(() => engine.run('noSuchKernel', [], 1)).toThrow('no kernel named noSuchKernel');
    const arguments65 = new Array<number>(65).fill(0);
    expect(() => engine.run('testMark', arguments65, 1)).toThrow('more than 64 argument words');
    await engine.close();
  });
});
