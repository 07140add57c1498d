import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TensorSource } from '../../src/index.ts';

interface Entry {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data_offsets: readonly [number, number];
}

/**
 * A trusted fixture file, read whole. The checkpoint package has the real reader; it depends on
 * this one, so it cannot be used here.
 */
export interface Fixture extends TensorSource {
  readonly metadata: Readonly<Record<string, string>>;
  shape(name: string): readonly number[];
  f32(name: string): Float32Array;
  f64(name: string): Float64Array;
  i32(name: string): Int32Array;
}

export function loadFixture(file: string): Fixture {
  const bytes = readFileSync(fileURLToPath(new URL(`../fixtures/${file}`, import.meta.url)));
  const headerLength = Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.toString('utf8', 8, 8 + headerLength)) as Record<string, Entry>;
  const { __metadata__: metadata, ...entries } = header;
  const entry = (name: string, dtype?: string) => {
    const found = entries[name];
    if (!found || (dtype && found.dtype !== dtype)) throw new Error(`${file}: no ${dtype} ${name}`);
    return found;
  };
  const buffer = (name: string, dtype: string) => {
    const [begin, end] = entry(name, dtype).data_offsets;
    const start = bytes.byteOffset + 8 + headerLength;
    return bytes.buffer.slice(start + begin, start + end);
  };
  return {
    name: file,
    metadata: (metadata ?? {}) as unknown as Record<string, string>,
    names: () => Object.keys(entries),
    entry: (name) => entry(name),
    shape: (name) => entry(name).shape,
    readFloat32: async (name) => new Float32Array(buffer(name, 'F32')),
    f32: (name) => new Float32Array(buffer(name, 'F32')),
    f64: (name) => new Float64Array(buffer(name, 'F64')),
    i32: (name) => new Int32Array(buffer(name, 'I32')),
  };
}

export function loadJson(file: string): unknown {
  return JSON.parse(readFileSync(new URL(`../fixtures/${file}`, import.meta.url), 'utf8'));
}
