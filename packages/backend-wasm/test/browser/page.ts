// Runs in the browser. What a test calls is a property of `vq4dit`; arguments and results are plain
// data.
import { type ConformanceOptions, runConformance } from '@vq4dit/conformance';
import { createWasmBackend, Engine, type EngineOptions } from '../../src/index.ts';
import { checksumsOf } from '../support/bits.ts';

/** The functions that a test can call on the page. */
export const functions = {
  /** Runs the conformance table. */
  async conformance(options: EngineOptions, table: Pick<ConformanceOptions, 'seed' | 'numRuns'>) {
    const report = await runConformance(() => createWasmBackend(options), table);
    const bad = report.results.filter(({ status }) => status !== 'passed');
    return { device: report.device, counts: report.counts, problems: report.problems, bad };
  },

  /** Starts the backend and tells what it is, or how it failed. */
  async start(options: EngineOptions): Promise<{ device: string } | { error: string }> {
    try {
      const backend = await createWasmBackend(options);
      const { device } = backend.info();
      await backend.close();
      return { device };
    } catch (error) {
      return { error: String(error) };
    }
  },

  /** Checksums of what every kernel computes. */
  async checksums(options: EngineOptions, scale: number): Promise<Record<string, number>> {
    const backend = await createWasmBackend(options);
    try {
      return await checksumsOf(backend, scale);
    } finally {
      await backend.close();
    }
  },

  /** Runs a job on two threads whose worker fails: traps (0) or never ends (1). */
  async fail(what: number): Promise<string[]> {
    const engine = await Engine.create({ threads: 2, stallSeconds: 0.3 });
    const flag = engine.allocate(4);
    engine.int32(flag, 1)[0] = 0;
    const errors: string[] = [];
    for (const args of [[1, what, flag], [0]]) {
      try {
        engine.run(args.length > 1 ? 'testFail' : 'testMark', args, 64);
      } catch (error) {
        errors.push(String(error));
      }
    }
    await engine.close();
    return errors;
  },
};

Object.assign(globalThis, { vq4dit: functions });
