import { CONTROL_BYTES } from '../../src/control.ts';
import { type Kernel, Pool } from '../../src/pool.ts';
import { type WasmMemory, web } from '../../src/web.ts';

/**
 * A pool without an engine around it: the caller decides what the host computes, and what the host
 * does before it lets threads take chunks of a job.
 */
export async function startPool(options: {
  threads: number;
  stallSeconds: number;
  beforeOpen?: () => void;
}) {
  const { base64 } = await import('../../src/generated/simd-shared.ts');
  const wasm = web.WebAssembly!;
  const module = await wasm.compile(Buffer.from(base64, 'base64'));
  const memory: WasmMemory = new wasm.Memory({ initial: 1024, maximum: 1024, shared: true });
  const { exports } = await wasm.instantiate(module, { env: { memory } });
  const heapBase = (exports.heapBase as () => number)();
  const control = Math.ceil(heapBase / 64) * 64;
  const first = control + Math.ceil(CONTROL_BYTES / 64) * 64;
  const scratches = Array.from({ length: options.threads }, (_, i) => first + i * 2 ** 22);
  const kernels = Object.keys(exports);
  const open = (...args: number[]) => {
    options.beforeOpen?.();
    (exports.open as (...args: number[]) => void)(...args);
  };
  const pool = await Pool.start({
    ...{ module, memory, exports: { ...exports, open }, kernels, control, scratches },
    ...{ spinMicroseconds: 50, stallSeconds: options.stallSeconds },
  });
  const heap = first + options.threads * 2 ** 22;
  return { pool, kernels, exports: exports as Record<string, Kernel>, memory, heap };
}
