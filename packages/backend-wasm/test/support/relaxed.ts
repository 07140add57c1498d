import { setFlagsFromString } from 'node:v8';

/**
 * Node 20 has relaxed SIMD behind a flag. Set before the engine is asked what it can do, the flag
 * lets the relaxed builds of the kernels be tested there too; later versions ignore it.
 */
export function allowRelaxedSimd(): void {
  setFlagsFromString('--experimental-wasm-relaxed-simd');
}
