import fc from 'fast-check';
import { expect, it } from 'vitest';
import {
  encodeSafetensors,
  openSafetensors,
  STORAGE_DTYPE_BYTES,
  type StorageDType,
  type TensorToWrite,
} from '../src/index.ts';
import { countingSource } from './support/sources.ts';

const dtypes = Object.keys(STORAGE_DTYPE_BYTES) as StorageDType[];
const text = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constantFrom('__proto__', '10', '9', 'constructor', '"\\', '\u007f', 'pos_embed'),
);
const tensors = fc.uniqueArray(
  fc
    .record({
      name: text.filter((name) => name !== '__metadata__'),
      dtype: fc.constantFrom(...dtypes),
      shape: fc.array(fc.nat(4), { maxLength: 4 }),
      seed: fc.nat(255),
      cuts: fc.array(fc.nat(100), { maxLength: 3 }),
    })
    .map(({ name, dtype, shape, seed, cuts }) => {
      const size = shape.reduce((a, b) => a * b, 1) * STORAGE_DTYPE_BYTES[dtype];
      const bytes = Uint8Array.from({ length: size }, (_, i) => seed + 31 * i);
      const edges = [0, ...cuts.map((cut) => Math.min(cut, size)), size].sort((a, b) => a - b);
      const pieces = edges.slice(1).map((edge, i) => bytes.slice(edges[i], edge));
      return { name, dtype, shape, bytes, data: () => pieces };
    }),
  { selector: ({ name }) => name, maxLength: 8 },
);
const metadata = fc
  .uniqueArray(fc.tuple(text, text), { selector: ([key]) => key, maxLength: 4 })
  .map((pairs) => Object.fromEntries(pairs));

it('what is written is what is read, and writing it again gives the same bytes', async () => {
  await fc.assert(
    fc.asyncProperty(tensors, metadata, async (written, notes) => {
      const bytes = await encodeSafetensors(written, notes);
      const source = countingSource(bytes);
      const file = await openSafetensors(source);
      expect(new Set(file.names())).toEqual(new Set(written.map(({ name }) => name)));
      expect(Object.entries(file.metadata).sort()).toEqual(Object.entries(notes).sort());
      const again: TensorToWrite[] = [];
      for (const { name, dtype, shape, bytes: content } of written) {
        const read = await file.read(name);
        expect(read).toEqual({ dtype, shape, data: content });
        expect(file.entry(name).offset % STORAGE_DTYPE_BYTES[dtype]).toBe(0);
        again.unshift({ name, dtype, shape, data: () => read.data });
      }
      // Header and every byte of every tensor, each once.
      expect(source.bytesRead()).toBe(bytes.byteLength);
      expect(await encodeSafetensors(again, file.metadata)).toEqual(bytes);
    }),
    { numRuns: 300 },
  );
});
