// Runs in the browser. What a test calls is a property of `vq4dit`; arguments and results are plain
// data.
import * as tf from '@tensorflow/tfjs-core';
import '@tensorflow/tfjs-backend-webgl';
import { type ConformanceOptions, runConformance } from '@vq4dit/conformance';
import { TensorOps } from '@vq4dit/core';
import { supportLines } from '../../../../tools/browser/support-lines.ts';
import { createTfjsBackend, type Tf } from '../../src/index.ts';

const create = () => createTfjsBackend({ tf: tf as Tf, backendName: 'webgl' });

/** What TensorFlow.js on WebGL cannot do. The adapter refuses it, so that nothing is rounded. */
const EXPECTED_FAILURES = [
  'permute(shape=33x31,axes=10,int32)',
  'permute(shape=129x17,axes=10,int32)',
  'slice(shape=33x31,begin=1x15,size=32x16,int32)',
  'concat(shapes=17x31+17x33,axis=1,int32)',
].map((name) => ({
  case: name,
  reason: 'TensorFlow.js keeps integers in float textures, where those beyond 2^24 are not exact',
  messageMatches: /UnsupportedOpError: \w+: .*beyond 2\^24 are not exact/,
}));

/** The functions that a test can call on the page. */
export const functions = {
  /** Runs the conformance table. */
  async conformance(table: Pick<ConformanceOptions, 'seed' | 'numRuns' | 'flushesDenormals'>) {
    const report = await runConformance(create, { ...table, expectedFailures: EXPECTED_FAILURES });
    const bad = report.results.filter(
      ({ status }) => status !== 'passed' && status !== 'expected-fail',
    );
    return { device: report.device, counts: report.counts, problems: report.problems, bad };
  },

  /** Which operations are computed how. */
  async support() {
    const backend = await create();
    const rows = supportLines(backend);
    await backend.close();
    return rows;
  },

  /** Takes the device away in the middle of work, and gives what the next calls say. */
  async loseContext(): Promise<string[]> {
    const ops = new TensorOps(await create());
    const x = ops.exp(ops.tensor([1, 2, 3], [3]));
    context().getExtension('WEBGL_lose_context')!.loseContext();
    return outcomes([
      () => ops.read(x),
      async () => ops.exp(x),
      async () => ops.tensor([1], [1]),
      () => ops.backend.sync(),
    ]);
  },

  /** How often `sync` gets numbers from the device, which waits for all work before. */
  async readsOfSync(): Promise<number> {
    const { backend } = new TensorOps(await create());
    const gl = context();
    let reads = 0;
    for (const name of ['readPixels', 'getBufferSubData'] as const) {
      const read = gl[name].bind(gl);
      gl[name] = (...args: never[]) => {
        reads++;
        return read(...args);
      };
    }
    await backend.sync();
    return reads;
  },

  /** What becomes of tensors that no texture can hold, where textures have 64 x 64 texels. */
  async tooLarge(): Promise<string[]> {
    await tf.setBackend('webgl');
    tf.env().set('WEBGL_MAX_TEXTURE_SIZE', 64);
    const ops = new TensorOps(await create());
    const x = ops.tensor(new Float32Array(5000), [5000]);
    return outcomes([
      // One element to a texel, which are too few.
      async () => ops.sin(x),
      async () => ops.tensor(new Float32Array(20_000), [200, 100]),
      async () => ops.add(x, x),
    ]);
  },

  /** What is said where the driver reports that memory has run out, and when it has room again. */
  async outOfMemory(): Promise<string[]> {
    const ops = new TensorOps(await create());
    const gl = context();
    const { getError } = gl;
    const x = ops.tensor(new Float32Array(2 ** 20), [2 ** 20]);
    gl.getError = () => gl.OUT_OF_MEMORY;
    const failing = await outcomes([
      async () => {
        for (let i = 0; i < 256; i++) ops.exp(x);
      },
      () => ops.read(x),
    ]);
    gl.getError = getError;
    return [...failing, ...(await outcomes([() => ops.read(x)]))];
  },
};

/** The part of the browser's own types that this file needs. */
interface WebGl {
  readonly OUT_OF_MEMORY: number;
  getError(): number;
  readPixels(...args: never[]): void;
  getBufferSubData(...args: never[]): void;
  getExtension(name: 'WEBGL_lose_context'): { loseContext(): void } | null;
}

const context = () =>
  (tf.findBackend('webgl') as unknown as { getGPGPUContext(): { gl: WebGl } }).getGPGPUContext().gl;

async function outcomes(calls: readonly (() => Promise<unknown>)[]): Promise<string[]> {
  const results = [];
  for (const call of calls) {
    results.push(
      await call().then(
        () => 'it worked',
        (error) => String(error),
      ),
    );
  }
  return results;
}

Object.assign(globalThis, { vq4dit: functions });
