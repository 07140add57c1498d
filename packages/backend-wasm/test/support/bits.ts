import type { WasmBackend } from '../../src/index.ts';
import { Inputs, workload } from './workload.ts';

/** The bits of every output of every kernel. */
export async function bitsOf(
  backend: WasmBackend,
  scale: number,
): Promise<Map<string, Int32Array>> {
  const inputs = new Inputs(backend);
  const bits = new Map<string, Int32Array>();
  for (const [name, call] of Object.entries(workload(inputs, scale))) {
    for (const [i, output] of call().entries()) {
      const values = await backend.read(output);
      bits.set(`${name}, output ${i}`, new Int32Array(values.buffer));
      backend.free(output.handle);
    }
  }
  inputs.free();
  return bits;
}

/** A number for each of {@link bitsOf}, which all of its bits take part in (FNV-1a of its words). */
export async function checksumsOf(
  backend: WasmBackend,
  scale: number,
): Promise<Record<string, number>> {
  const checksum = (words: Int32Array) =>
    words.reduce((hash, word) => Math.imul(hash ^ word, 16777619), -2128831035) >>> 0;
  const bits = await bitsOf(backend, scale);
  return Object.fromEntries([...bits].map(([name, words]) => [name, checksum(words)]));
}
