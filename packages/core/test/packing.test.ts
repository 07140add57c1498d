import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, FileFormatError, IndexError, ShapeError } from '../src/errors.ts';
import {
  codeWidth,
  packCodes,
  packedByteLength,
  unpackCodes,
} from '../src/quantization/packing.ts';

const width = fc.integer({ min: 1, max: 16 });
const codesOfWidth = width.chain((w) =>
  fc.record({
    w: fc.constant(w),
    codes: fc
      .array(fc.integer({ min: 0, max: 2 ** w - 1 }), { maxLength: 1000, size: 'max' })
      .map((values) => Uint16Array.from(values)),
  }),
);

describe('packing', () => {
  it('is inverse to unpacking for every width and length', () => {
    fc.assert(
      fc.property(codesOfWidth, ({ w, codes }) => {
        const bytes = packCodes(codes, w);
        expect(bytes.length).toBe(Math.ceil((codes.length * w) / 8));
        expect(bytes.length).toBe(packedByteLength(codes.length, w));
        expect(unpackCodes(bytes, w, codes.length)).toEqual(codes);
      }),
      { numRuns: 300 },
    );
    for (let w = 1; w <= 16; w++) {
      for (let count = 0; count <= 33; count++) {
        const codes = Uint16Array.from({ length: count }, (_, i) => (i * 40503 + 7) & (2 ** w - 1));
        expect(unpackCodes(packCodes(codes, w), w, count)).toEqual(codes);
      }
    }
  });

  it('orders bits as documented', () => {
    fc.assert(
      fc.property(codesOfWidth, ({ w, codes }) => {
        const bytes = packCodes(codes, w);
        for (let i = 0; i < codes.length; i += 7) {
          for (let b = 0; b < w; b++) {
            const s = i * w + b;
            expect((bytes[Math.floor(s / 8)]! >> (s % 8)) & 1).toBe((codes[i]! >> b) & 1);
          }
        }
      }),
      { numRuns: 30 },
    );
    expect([...packCodes(Uint16Array.of(1, 2, 3), 6)]).toEqual([0x81, 0x30, 0x00]);
    expect([...packCodes(Uint16Array.of(0x1234), 16)]).toEqual([0x34, 0x12]);
    expect([...packCodes(Int32Array.of(255, 0, 7), 8)]).toEqual([255, 0, 7]);
  });

  it('refuses a code out of range, with its position and value', () => {
    fc.assert(
      fc.property(codesOfWidth, fc.nat(), fc.integer({ min: 1 }), ({ w, codes }, at, over) => {
        fc.pre(codes.length > 0);
        const bad = Int32Array.from(codes);
        const position = at % codes.length;
        for (const value of [-over, Math.min(2 ** w - 1 + over, 2 ** 31 - 1)]) {
          bad[position] = value;
          const message = `Code ${value} at position ${position} does not fit in ${w} bits`;
          expect(() => packCodes(bad, w)).toThrow(IndexError);
          expect(() => packCodes(bad, w)).toThrow(message);
        }
      }),
    );
    expect(() => packCodes(Uint32Array.of(2 ** 32 - 1), 16)).toThrow(IndexError);
  });

  it('refuses bytes that packing cannot have written', () => {
    const bytes = packCodes(Uint16Array.of(1, 2, 3), 6);
    expect(() => unpackCodes(bytes, 6, 2)).toThrow(ShapeError);
    expect(() => unpackCodes(bytes.subarray(1), 6, 3)).toThrow(ShapeError);
    fc.assert(
      fc.property(codesOfWidth, fc.nat(7), ({ w, codes }, bit) => {
        const used = (codes.length * w) % 8;
        fc.pre(used !== 0 && bit >= used);
        const damaged = packCodes(codes, w);
        damaged[damaged.length - 1]! |= 1 << bit;
        expect(() => unpackCodes(damaged, w, codes.length)).toThrow(FileFormatError);
      }),
    );
  });

  it('refuses illegal widths and counts', () => {
    for (const w of [0, 17, -1, 2.5, Number.NaN]) {
      expect(() => packCodes(Uint16Array.of(0), w)).toThrow(ArgumentError);
      expect(() => unpackCodes(new Uint8Array(1), w, 1)).toThrow(ArgumentError);
    }
    for (const count of [-1, 0.5, Number.NaN]) {
      expect(() => unpackCodes(new Uint8Array(1), 8, count)).toThrow(ArgumentError);
    }
  });

  it('knows the width of a code', () => {
    const widths = [1, 2, 3, 4, 5, 64, 65, 256, 257, 65536].map(codeWidth);
    expect(widths).toEqual([1, 1, 2, 2, 3, 6, 7, 8, 9, 16]);
    for (const k of [0, 65537, 1.5]) expect(() => codeWidth(k)).toThrow(ArgumentError);
  });
});
