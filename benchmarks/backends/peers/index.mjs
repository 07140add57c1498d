import { kmeansInCore } from '../kmeans.mjs';

/** Those that we compare with, by id: functions that start one, loading its library only then. */
export const PEERS = {
  core: async () => ({
    device: 'JavaScript, float64, one thread',
    turn: async ({ kind }) =>
      kind === 'kmeans' ? { status: 'passed', ...(await kmeansInCore()) } : undefined,
    close() {},
  }),
  'plain tfjs-wasm': async () => (await import('./tfjs.mjs')).openPlainTfjs('wasm'),
  'plain tfjs-cpu': async () => (await import('./tfjs.mjs')).openPlainTfjs('cpu'),
  'plain tfjs-node': async () => (await import('./tfjs.mjs')).openPlainTfjs('node'),
  'onnxruntime-node': async () => (await import('./onnxruntime.mjs')).openOnnxRuntime(),
  'jax-js': async () => (await import('./jax.mjs')).openJax(),
  PyTorch: async () => (await import('./torch.mjs')).openTorch(),
  'PyTorch-CUDA': async () => (await import('./torch.mjs')).openTorchOnCuda(),
};
