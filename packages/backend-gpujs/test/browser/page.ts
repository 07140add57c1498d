// Runs in the browser. What a test calls is a property of `vq4dit`; arguments and results are plain
// data. gpu.js is loaded as a classic script, and is then `GPU`.
import { type ConformanceOptions, runConformance } from '@vq4dit/conformance';
import { TensorOps } from '@vq4dit/core';
import { supportLines } from '../../../../tools/browser/support-lines.ts';
import { createGpujsBackend, type GpuClass } from '../../src/index.ts';
import { lastOfLarge } from '../support/large.ts';

const create = () => {
  const { GPU } = globalThis as unknown as { GPU: GpuClass };
  return createGpujsBackend({ GPU, mode: 'webgl2' });
};

/** The functions that a test can call on the page. */
export const functions = {
  /** Runs the conformance table. */
  async conformance(table: Pick<ConformanceOptions, 'seed' | 'numRuns' | 'flushesDenormals'>) {
    const report = await runConformance(create, table);
    const bad = report.results.filter(({ status }) => status !== 'passed');
    return { device: report.device, counts: report.counts, problems: report.problems, bad };
  },

  /** Which operations are computed how. */
  async support() {
    const backend = await create();
    const rows = supportLines(backend);
    await backend.close();
    return rows;
  },

  /** What is wrong at the end of a large tensor. */
  async large(): Promise<string[]> {
    const backend = await create();
    const wrong = await lastOfLarge(new TensorOps(backend));
    await backend.close();
    return wrong;
  },

  /** Takes the device away in the middle of work, and gives what the next calls say. */
  async loseContext(): Promise<string[]> {
    let gl: WebGL2RenderingContext | undefined;
    const { GPU } = globalThis as unknown as { GPU: GpuClass };
    class Watched extends GPU {
      constructor(settings: ConstructorParameters<GpuClass>[0]) {
        super(settings);
        gl = settings.context as WebGL2RenderingContext;
      }
    }
    const backend = await createGpujsBackend({ GPU: Watched, mode: 'webgl2' });
    const ops = new TensorOps(backend);
    const x = ops.tensor([1, 2, 3], [3]);
    gl!.getExtension('WEBGL_lose_context')!.loseContext();
    const outcomes = [
      ops.read(x),
      (async () => ops.exp(x))(),
      (async () => ops.tensor([1], [1]))(),
      backend.sync(),
    ];
    const results = await Promise.allSettled(outcomes);
    return results.map((r) => (r.status === 'fulfilled' ? 'it worked' : `${r.reason}`));
  },

  /** What a browser without WebGL 2 says. */
  async withoutWebGl(): Promise<string> {
    const scope = globalThis as { OffscreenCanvas?: unknown };
    scope.OffscreenCanvas = class {
      getContext = () => null;
    };
    return create().then(
      () => 'it worked',
      (error) => String(error),
    );
  },
};

/** The part of the browser's own types that this file needs. */
interface WebGL2RenderingContext {
  getExtension(name: 'WEBGL_lose_context'): { loseContext(): void } | null;
}

Object.assign(globalThis, { vq4dit: functions });
