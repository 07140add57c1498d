import type { Backend, OpQuery, PrecisionTier, RequiredKernels, Support } from '@vq4dit/core';
import { BackendUnavailableError, sizeOf } from '@vq4dit/core';
import type { TfDevice } from './device.ts';
import { describeDevice } from './device-info.ts';
import { DirectDevice } from './direct-device.ts';
import { binary, unary } from './elementwise.ts';
import { EngineDevice } from './engine-device.ts';
import { fusedKernels } from './fused.ts';
import { matmul } from './matmul.ts';
import { concat, gatherRows, permute, scatterAddRows, slice } from './movement.ts';
import { nearest } from './nearest.ts';
import { argmin, reduce } from './reductions.ts';
import type { TensorInfo, Tf } from './tf.ts';
import { WasmMatmul } from './wasm-matmul.ts';
import { WebGlDevice } from './webgl/device.ts';

/** Options of {@link createTfjsBackend}. */
export interface TfjsBackendOptions {
  /** The TensorFlow.js namespace, with the wanted backend registered. */
  readonly tf: Tf;
  /** TensorFlow.js's name of the backend to run on. Default: its current one. */
  readonly backendName?: string;
  /** The id of the resulting backend. Default: `tfjs-` and the name. */
  readonly id?: string;
  /**
   * False: also on cpu and wasm go through the engine, with TensorFlow.js kernels only. That is how
   * every other backend of TensorFlow.js is driven. Default true.
   */
  readonly direct?: boolean;
  /** wasm: bytes for transposed copies of matrices that are used again and again. Default 256 MiB. */
  readonly weightCacheBytes?: number;
  /** The precision of products, where the caller knows better than TensorFlow.js says. */
  readonly precision?: PrecisionTier;
}

/**
 * The tensor contract over TensorFlow.js.
 *
 * @throws BackendUnavailableError if TensorFlow.js does not start the wanted backend
 */
export async function createTfjsBackend(options: TfjsBackendOptions): Promise<Backend<TensorInfo>> {
  const { tf } = options;
  const name = options.backendName ?? tf.getBackend();
  await start(tf, name);
  const direct = (options.direct ?? true) && (name === 'cpu' || name === 'wasm');
  const device: TfDevice = direct ? new DirectDevice(tf, name) : engineDevice(tf, name);
  const described = await describeDevice(tf, options.id ?? `tfjs-${name}`, name);
  const info = { ...described, precision: options.precision ?? described.precision };
  const products =
    name === 'wasm' && device.host
      ? new WasmMatmul(device, device.host, options.weightCacheBytes ?? 2 ** 28)
      : undefined;

  const kernels: RequiredKernels<TensorInfo> = {
    unary: (op, x) => unary(device, op, x),
    binary: (op, a, b, shape) => binary(device, op, a, b, shape),
    matmul: (a, b, transposeA, transposeB) =>
      products
        ? products.run(a, b, transposeA, transposeB)
        : matmul(device, a, b, transposeA, transposeB),
    reduce: (op, x) => reduce(device, op, x),
    argmin: (x) => argmin(device, x),
    gatherRows: (x, indices) => gatherRows(device, x, indices),
    scatterAddRows: (updates, indices, rows) => scatterAddRows(device, updates, indices, rows),
    permute: (x, axes) => permute(device, x, axes),
    slice: (x, begin, size) => slice(device, x, begin, size),
    concat: (xs, axis) => concat(device, xs, axis),
    nearest: (x, codebook, n) => nearest(device, x, codebook, n),
  };

  return {
    id: info.id,
    info: () => info,
    supports: (query) => (name === 'wasm' ? fitsHeap(query) : (device.supports?.(query) ?? true)),
    upload: (data, shape, dtype) => device.upload(data, shape, dtype),
    read: (x) => device.read(x.handle),
    free(handle) {
      products?.forget(handle);
      device.free(handle);
    },
    // Kernels of cpu and wasm are done when they return. Elsewhere a computed value waits for all before it;
    // one that is only uploaded may never have left the host, and is read back from there.
    async sync() {
      if (device.host) return;
      const marker = device.upload(new Float32Array(1), [1], 'float32');
      const computed = device.run('Sin', { x: marker }, {});
      device.free(marker);
      await device.read(computed);
      device.free(computed);
    },
    liveBuffers: () => device.liveTensors(),
    // The TensorFlow.js backend itself is left running: others in the process may use it.
    async close() {
      products?.forgetAll();
    },
    kernels,
    fused: fusedKernels(device),
  };
}

function engineDevice(tf: Tf, name: string): TfDevice {
  return name === 'webgl' ? new WebGlDevice(tf) : new EngineDevice(tf, name);
}

/** Starts one after the other: the current backend belongs to the whole process. */
let lastStart: Promise<unknown> = Promise.resolve();

function start(tf: Tf, name: string): Promise<void> {
  const started = lastStart.then(() => startAlone(tf, name));
  lastStart = started.catch(() => undefined);
  return started;
}

async function startAlone(tf: Tf, name: string): Promise<void> {
  let reason = 'it is not registered, or failed to start';
  let started = false;
  try {
    started = await tf.setBackend(name);
  } catch (error) {
    reason = error instanceof Error ? error.message : String(error);
  }
  if (!started || tf.getBackend() !== name) {
    throw new BackendUnavailableError(
      `TensorFlow.js cannot start its backend "${name}": ${reason}.`,
    );
  }
}

/** Sizes in the wasm heap are 32 bits. */
function fitsHeap(query: OpQuery): Support {
  const large = query.shapes.find((shape) => 4 * sizeOf(shape) >= 2 ** 31);
  if (large === undefined) return true;
  return { reason: `a tensor of shape [${large.join(', ')}] exceeds 2 GiB of WebAssembly memory` };
}
