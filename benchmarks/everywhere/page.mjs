// Runs in the browser.
import '@tensorflow/tfjs-backend-webgl';
import * as tf from '@tensorflow/tfjs-core';
import { createGpujsBackend } from '@vq4dit/backend-gpujs';
import { createTfjsBackend } from '@vq4dit/backend-tfjs';
import { createWasmBackend } from '@vq4dit/backend-wasm';
import { fromPlain, toPlain } from './plain.mjs';

const BACKENDS = {
  'gpujs-webgl2': () => createGpujsBackend({ GPU: globalThis.GPU, mode: 'webgl2' }),
  'tfjs-webgl': () => createTfjsBackend({ tf, backendName: 'webgl' }),
  'wasm-browser': () => createWasmBackend(),
};

let opened;

/** Starts a backend that {@link globalThis.call} uses until the page is closed. */
globalThis.open = async (id) => {
  opened = await BACKENDS[id]();
  const { device, precision } = opened.info();
  return { device, precision };
};

/** A call on the opened backend, with plain data. */
globalThis.call = async (module, name, args) => {
  const { [name]: work } = await import(/* @vite-ignore */ `/benchmarks/${module}`);
  return toPlain(await work(opened, ...fromPlain(args)));
};

/** One call on one backend of its own, with plain data. */
globalThis.run = async (id, module, name, args) => {
  const { [name]: work } = await import(/* @vite-ignore */ `/benchmarks/${module}`);
  const backend = await BACKENDS[id]();
  try {
    const onProgress = (done, total) => {
      globalThis.progress = `${id}: ${name} ${done} of ${total}`;
    };
    return toPlain(await work(backend, ...fromPlain(args), onProgress));
  } finally {
    await backend.close();
  }
};
