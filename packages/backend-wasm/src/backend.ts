import type { Backend, BackendInfo, OpQuery, Support } from '@vq4dit/core';
import { sizeOf } from '@vq4dit/core';
import { Engine, type EngineOptions } from './engine.ts';
import { mergeKernels } from './kernel-table.ts';
import { KERNEL_GROUPS } from './kernels/index.ts';
import { createKMeans } from './kmeans.ts';
import { nodeModule, web } from './web.ts';

/** Options of {@link createWasmBackend}. */
export interface WasmBackendOptions extends EngineOptions {
  /** The id of the backend. Default `wasm`. */
  readonly id?: string;
}

/** The backend, and the engine beneath it. */
export interface WasmBackend extends Backend<number> {
  readonly engine: Engine;
}

/**
 * The tensor contract on this package's own WebAssembly kernels. A handle is an address.
 *
 * @throws BackendUnavailableError if the JavaScript engine lacks WebAssembly SIMD
 * @throws ArgumentError for a number of threads that makes no sense
 */
export async function createWasmBackend(options: WasmBackendOptions = {}): Promise<WasmBackend> {
  const engine = await Engine.create(options);
  const info = describe(engine, options.id ?? 'wasm');
  return {
    engine,
    id: info.id,
    info: () => info,
    supports: (query) => fits(query, engine.capacity),
    upload(data) {
      engine.check();
      const address = engine.allocate(data.byteLength);
      if (data instanceof Int32Array) engine.int32(address, data.length).set(data);
      else engine.float32(address, data.length).set(data);
      return address;
    },
    async read({ handle, shape, dtype }) {
      engine.check();
      const size = sizeOf(shape);
      // Copied through a constructor of this realm: a slice of shared memory would be shared.
      return dtype === 'int32'
        ? new Int32Array(engine.int32(handle, size))
        : new Float32Array(engine.float32(handle, size));
    },
    free: (handle) => engine.free(handle),
    // A kernel is done when its call returns.
    async sync() {
      engine.check();
    },
    liveBuffers: () => engine.blocks,
    close: () => engine.close(),
    ...mergeKernels(engine, KERNEL_GROUPS),
    kmeans: createKMeans(engine),
  };
}

function describe(engine: Engine, id: string): BackendInfo {
  const simd = engine.relaxed ? 'relaxed SIMD' : 'simd128';
  const threads = engine.threads === 1 ? '1 thread' : `${engine.threads} threads`;
  const notes = engine.notes.length > 0 ? ` (${engine.notes.join('; ')})` : '';
  return {
    id,
    device: `${processorName()}, WebAssembly ${simd}, ${threads}${notes}`,
    isGpu: false,
    precision: 'f32',
    versions: runtimeVersions(),
  };
}

function processorName(): string {
  const os = nodeModule<typeof import('node:os')>('node:os');
  const model = os?.cpus()[0]?.model.trim();
  if (os) return model || os.arch();
  const cores = web.navigator?.hardwareConcurrency;
  return cores === undefined ? 'CPU' : `CPU with ${cores} logical cores`;
}

function runtimeVersions(): Record<string, string> {
  if (typeof process !== 'undefined' && process.versions?.node) {
    return { node: process.versions.node, v8: process.versions.v8 };
  }
  return { browser: web.navigator?.userAgent ?? 'unknown' };
}

/** The inputs together must fit; whether there is room for the result shows when it is made. */
function fits({ op, shapes }: OpQuery, capacity: number): Support {
  const bytes = shapes.reduce((sum, shape) => sum + 4 * sizeOf(shape), 0);
  if (bytes <= capacity) return true;
  const sizes = shapes.map((shape) => `[${shape.join(', ')}]`).join(', ');
  const gib = (capacity / 2 ** 30).toFixed(1);
  return { reason: `${op} of ${sizes} does not fit into ${gib} GiB of WebAssembly memory` };
}
