import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { VaeTensorSource } from '../../src/index.ts';

/** Tensors by name, in memory. */
export type Tensors = Map<string, { shape: readonly number[]; values: Float32Array }>;

/**
 * A trusted fixture file, read whole. The checkpoint package has the real reader; it may come to
 * depend on this one, so it is not used here.
 */
export function loadFixture(file: string): Tensors {
  const bytes = readFileSync(fileURLToPath(new URL(`../fixtures/${file}`, import.meta.url)));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, start)) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  delete header.__metadata__;
  const tensors: Tensors = new Map();
  for (const [name, { dtype, shape, data_offsets }] of Object.entries(header)) {
    if (dtype !== 'F32') throw new Error(`${file}: ${name} is ${dtype}`);
    const [begin, end] = data_offsets.map((at) => bytes.byteOffset + start + at);
    tensors.set(name, { shape, values: new Float32Array(bytes.buffer.slice(begin!, end)) });
  }
  return tensors;
}

/** The tensors as a source that a decoder can be loaded from. */
export function sourceOf(tensors: Tensors, name = 'test file'): VaeTensorSource {
  return {
    name,
    names: () => [...tensors.keys()],
    entry: (key) => ({ shape: tensors.get(key)!.shape }),
    readFloat32: async (key) => tensors.get(key)!.values.slice(),
  };
}

/** The same tensors under other names. */
export function renamed(tensors: Tensors, rename: (name: string) => string): Tensors {
  return new Map([...tensors].map(([name, tensor]) => [rename(name), tensor]));
}
