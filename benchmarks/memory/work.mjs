import { TensorOps } from '@vq4dit/core';
import { DiTWeights, ditForward } from '@vq4dit/dit';

/** Passes before the first measurement: compilers, caches and pools are at rest then. */
const WARM = 100;
/**
 * How far two passes may be apart: a backend may keep a weight in another layout after the first, and
 * then sums in another order. Outputs are of size 1; measured are 1e-6.
 */
const ROUNDING = 1e-4;

/**
 * Forward passes of a model, one image each, and what is alive and in use before and after.
 *
 * @returns device, live tensors and megabytes after the first {@link WARM} passes and after all
 */
export async function forwardPasses(backend, { config, tensors }, passes, onProgress) {
  const ops = new TensorOps(backend);
  const model = await DiTWeights.load(ops, config, {
    names: () => Object.keys(tensors),
    entry: (name) => ({ shape: tensors[name].shape }),
    readFloat32: async (name) => tensors[name].data,
  });
  const { inputSize, inChannels } = config;
  const shape = [1, inChannels, inputSize, inputSize];
  const values = Float32Array.from({ length: inChannels * inputSize ** 2 }, (_, i) => Math.sin(i));
  let first;
  let before;
  for (let pass = 1; pass <= passes; pass++) {
    const output = await ops.scope((s) =>
      s.read(ditForward(s, model, s.tensor(values, shape), [500], [3])),
    );
    first ??= output;
    if (!output.every((x, i) => Math.abs(x - first[i]) <= ROUNDING))
      throw new Error(`pass ${pass} gives other numbers`);
    if (pass === WARM) before = await inUse(backend);
    onProgress(pass, passes);
  }
  const after = await inUse(backend);
  model.dispose();
  const { device } = backend.info();
  return { device, passes, measuredFrom: WARM, before, after, leftBuffers: backend.liveBuffers() };
}

/** Live buffers of the backend, and the memory of this process or page after a collection. */
async function inUse(backend) {
  const liveBuffers = backend.liveBuffers();
  for (let i = 0; i < 3; i++) {
    globalThis.gc?.();
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  const { process, performance } = globalThis;
  const bytes = process?.memoryUsage
    ? process.memoryUsage().rss
    : performance.memory?.usedJSHeapSize;
  return { liveBuffers, megabytes: Math.round(bytes / 2 ** 20) };
}
