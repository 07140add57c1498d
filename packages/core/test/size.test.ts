import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../src/errors.ts';
import {
  type LayerShape,
  quantizedLayerSize,
  totalQuantizedSize,
} from '../src/quantization/size.ts';

const MIB = 2 ** 20;

/** DiT-XL/2: 28 blocks of width 1152; q, k, v as one matrix with three codebooks. */
function ditXL(k: number, d: number) {
  const shapes: [number, number, number][] = [
    [3456, 1152, 3],
    [1152, 1152, 1],
    [4608, 1152, 1],
    [1152, 4608, 1],
    [6912, 1152, 1],
  ];
  const block = shapes.map(([rows, columns, groups]) =>
    quantizedLayerSize({ rows, columns, groups, k, d, codebookBytes: 4 }),
  );
  return totalQuantizedSize(Array.from({ length: 28 }, () => block).flat());
}

describe('true size', () => {
  // The paper's size table for DiT-XL/2, blocks only, without biases (MB there means MiB).
  it('gives the published figures at 2 bits', () => {
    const size = ditXL(256, 4);
    expect(size.weights).toBe(668_860_416);
    expect(size.codeBits / 8 / MIB).toBeCloseTo(159.469, 3);
    expect(size.codebookBits / 8 / MIB).toBeCloseTo(0.7656, 4);
    expect(size.bitsPerWeight).toBeCloseTo(2.0096, 4);
    const biases = 483_840 * 4;
    expect((size.bytes + biases) / MIB).toBeCloseTo(162.08, 2);
  });

  it('gives the figures at 3 bits', () => {
    const size = ditXL(64, 2);
    expect(size.codeBits / 8 / MIB).toBeCloseTo(239.203, 3);
    expect(size.codebookBits / 8 / MIB).toBeCloseTo(0.0957, 4);
    expect(size.bitsPerWeight).toBeCloseTo(3.0012, 4);
  });

  it('counts small layers exactly', () => {
    const shape: LayerShape = { rows: 3, columns: 6, k: 5, d: 2, codebookBytes: 2 };
    // 9 sub-vectors of 3 bits: 27 bits, 4 bytes; 5 x 2 halves: 20 bytes.
    expect(quantizedLayerSize(shape)).toEqual({
      weights: 18,
      codeBits: 27,
      codebookBits: 160,
      bytes: 24,
      bitsPerWeight: 187 / 18,
    });
    expect(totalQuantizedSize([]).bitsPerWeight).toBe(0);
  });

  it('refuses shapes that cannot be', () => {
    const good: LayerShape = { rows: 4, columns: 8, k: 4, d: 4, codebookBytes: 4 };
    for (const bad of [
      { rows: 0 },
      { columns: 2.5 },
      { d: 3 },
      { k: 0 },
      { k: 70000 },
      { groups: 3 },
      { codebookBytes: 3 as 4 },
    ]) {
      expect(() => quantizedLayerSize({ ...good, ...bad })).toThrow(ArgumentError);
    }
  });
});
