import { type WebGlobals, web } from './web.ts';

/** What the JavaScript engine can do, and why not where it cannot. */
export interface Features {
  /** 128-bit SIMD; the engine does not start without. */
  readonly simd: boolean;
  /** Relaxed SIMD: fused multiply-add. */
  readonly relaxed: boolean;
  /** Threads: true, or the reason why there is only one. */
  readonly threads: true | { readonly reason: string };
}

// Each module holds one function with one instruction of the feature in question; an engine
// without the feature finds the module invalid.
const SIMD = module([0x60, 0, 1, 0x7b], [0x41, 0, 0xfd, 0x0f]); // i32.const 0; i8x16.splat
const RELAXED = module(
  [0x60, 0, 1, 0x7b],
  // Three times i32.const 0; i8x16.splat, then f32x4.relaxed_madd.
  [0x41, 0, 0xfd, 0x0f, 0x41, 0, 0xfd, 0x0f, 0x41, 0, 0xfd, 0x0f, 0xfd, 0x85, 0x02],
);
// A shared memory and atomic.fence.
const THREADS = module([0x60, 0, 0], [0xfe, 0x03, 0], [5, 4, 1, 3, 1, 1]);

/** Asks the engine. `globals` is for tests. */
export function detectFeatures(globals: WebGlobals = web): Features {
  const wasm = globals.WebAssembly;
  const validates = (bytes: Uint8Array) => wasm?.validate(bytes) ?? false;
  return {
    simd: validates(SIMD),
    relaxed: validates(RELAXED),
    threads: threadSupport(globals, validates(THREADS)),
  };
}

function threadSupport(globals: WebGlobals, hasAtomics: boolean): Features['threads'] {
  if (!hasAtomics) return { reason: 'this engine has no WebAssembly threads' };
  if (globals.crossOriginIsolated === false) {
    return { reason: 'the page is not cross-origin isolated (COOP and COEP headers)' };
  }
  if (typeof SharedArrayBuffer === 'undefined') return { reason: 'there is no SharedArrayBuffer' };
  return true;
}

/** A module with one function of the given type and body. */
function module(type: number[], body: number[], memory: number[] = []): Uint8Array {
  const code = [0, ...body, 0x0b];
  return Uint8Array.from([
    ...[0, 0x61, 0x73, 0x6d, 1, 0, 0, 0],
    ...[1, type.length + 1, 1, ...type],
    ...[3, 2, 1, 0],
    ...memory,
    ...[10, code.length + 2, 1, code.length, ...code],
  ]);
}
