import { expect, it } from 'vitest';
import { startPool } from './support/start-pool.ts';

// A thread that wakes up for one job while the host is writing down the next must not mix the two.
// The host is slow here, so that threads wake up at every point of its way.
it('keeps jobs apart when threads are late and the host is slow', async () => {
  let seed = 1;
  const pause = () => {
    seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0;
    const end = performance.now() + (0.2 * seed) / 2 ** 32;
    while (performance.now() < end);
  };
  const { pool, kernels, exports, memory, heap } = await startPool({
    threads: 4,
    stallSeconds: 2,
    beforeOpen: pause,
  });
  const words = new Int32Array(memory.buffer);
  const out = heap + 64;
  const view = new Int32Array(memory.buffer, out, 500);
  const testMark = kernels.indexOf('testMark');
  for (let job = 0; job < 1000; job++) {
    // Few chunks, then many: those that only the second has are what a mixture would take.
    const chunks = job % 2 === 0 ? 2 : 500;
    words.set([out, 1000, job % 50], heap / 4);
    view.fill(0);
    pool.run(testMark, exports.testMark!, heap, chunks);
    const wrong = view.findIndex((value, i) => value !== (i < chunks ? 1000 + i : 0));
    if (wrong >= 0) expect.fail(`job ${job} of ${chunks}: chunk ${wrong} gave ${view[wrong]}`);
  }
  await pool.close();
});
