import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  fitGrid,
  type Granularity,
  IndexError,
  InterruptedError,
  NonFiniteError,
  packCodes,
  UniformQuantizer,
  UniformWeight,
  uniformLayerSize,
  unpackCodes,
} from '../src/index.ts';
import { ceilFloat16, roundToGrid } from '../src/quantization/uniform-grid.ts';
import { randomMatrix } from './support/layers.ts';

const layers = fc.record({
  seed: fc.nat(1e6),
  bits: fc.integer({ min: 2, max: 8 }),
  rows: fc.constantFrom(3, 6, 9),
  columns: fc.integer({ min: 2, max: 40 }),
  groups: fc.constantFrom(1, 3),
  granularity: fc.constantFrom<Granularity>('tensor', 'channel', 'group'),
  groupSize: fc.integer({ min: 2, max: 50 }),
});

/** The grid of one weight, found by the definition of a granularity and not by the layout. */
function scaleOf(weight: UniformWeight, row: number, column: number): number {
  const runOfRows = Math.floor(row / (weight.rows / weight.scaleRows));
  const perRow = weight.scales.length / weight.scaleRows;
  return weight.scales[runOfRows * perRow + Math.floor(column / weight.groupSize)]!;
}

describe('uniform quantization', () => {
  it('moves no weight by more than half a step with min-max ranges', () =>
    fc.assert(
      fc.asyncProperty(layers, async ({ seed, rows, columns, groups, ...options }) => {
        const matrix = randomMatrix(seed, rows, columns, groups);
        const weight = await new UniformQuantizer(options).quantize(matrix);
        const found = weight.reconstruct();
        for (let i = 0; i < found.length; i++) {
          const step = scaleOf(weight, Math.floor(i / columns), i % columns);
          // Rounding of the reconstruction to float32: at most 2^8 steps of 2^-24 parts each.
          const limit = step * (0.5 + 2 ** -16);
          expect(Math.abs(found[i]! - matrix.data[i]!)).toBeLessThanOrEqual(limit);
        }
      }),
      { numRuns: 100 },
    ));

  it('has one grid for each matrix, row or group', async () => {
    const matrix = randomMatrix(1, 6, 20, 3);
    const grids = async (granularity: Granularity, groupSize?: number) => {
      const options = { bits: 4, granularity, ...(groupSize && { groupSize }) };
      return (await new UniformQuantizer(options).quantize(matrix)).scales.length;
    };
    expect(await grids('tensor')).toBe(3); // a fused q, k, v is three matrices
    expect(await grids('channel')).toBe(6);
    expect(await grids('group', 8)).toBe(6 * 3); // 8, 8 and the remaining 4
    expect(await grids('group', 64)).toBe(6);
  });

  it('gets finer with every bit and with every finer granularity', async () => {
    const matrix = randomMatrix(2, 12, 64);
    const error = async (bits: number, granularity: Granularity) => {
      const quantizer = new UniformQuantizer({ bits, granularity, groupSize: 16 });
      const found = (await quantizer.quantize(matrix)).reconstruct();
      return found.reduce((sum, w, i) => sum + (w - matrix.data[i]!) ** 2, 0);
    };
    for (let bits = 3; bits <= 8; bits++) {
      expect(await error(bits, 'channel')).toBeLessThan(await error(bits - 1, 'channel'));
    }
    expect(await error(4, 'channel')).toBeLessThan(await error(4, 'tensor'));
    expect(await error(4, 'group')).toBeLessThan(await error(4, 'channel'));
  });

  it('with MSE clipping never has a larger squared error than with min-max', () =>
    fc.assert(
      fc.property(fc.nat(1e6), fc.integer({ min: 2, max: 8 }), (seed, bits) => {
        const { data } = randomMatrix(seed, 1, 60);
        const error = (clipping: 'min-max' | 'mse') => {
          const grid = fitGrid(data, bits, clipping);
          return data.reduce(
            (sum, w) => sum + (w - grid.scale * (roundToGrid(w, grid, bits) - grid.zero)) ** 2,
            0,
          );
        };
        expect(error('mse')).toBeLessThanOrEqual(error('min-max'));
      }),
    ));

  it('clips outliers where that pays', () => {
    const data = Float32Array.from({ length: 1000 }, (_, i) => Math.sin(i)).fill(10, 0, 1);
    expect(fitGrid(data, 3, 'mse').scale).toBeLessThan(fitGrid(data, 3, 'min-max').scale / 1.5);
  });

  it('keeps zeros, constants and one-sided ranges', async () => {
    for (const [value, bits] of [
      [0, 2],
      [0.75, 3],
      [-3, 4],
    ] as const) {
      const matrix = { name: 'c', rows: 2, columns: 4, data: new Float32Array(8).fill(value) };
      const weight = await new UniformQuantizer({ bits, granularity: 'channel' }).quantize(matrix);
      const worst = value === 0 ? 0 : weight.scales[0]! / 2;
      for (const w of weight.reconstruct()) expect(Math.abs(w - value)).toBeLessThanOrEqual(worst);
    }
  });

  it('has scales that float16 holds, the least that are large enough', () =>
    fc.assert(
      fc.property(fc.double({ min: 1e-9, max: 65504, noNaN: true }), (value) => {
        const scale = ceilFloat16(value);
        expect(scale).toBeGreaterThanOrEqual(value);
        // The spacing of float16 is 2^-10 of the power of two below, and 2^-24 at least.
        const spacing = Math.max(2 ** -24, 2 ** (Math.floor(Math.log2(value)) - 10));
        expect(scale - value).toBeLessThan(spacing);
        expect(scale % 2 ** -24).toBe(0);
      }),
    ));

  it('goes through packed codes unharmed, at the size that is counted', () =>
    fc.assert(
      fc.asyncProperty(layers, async ({ seed, rows, columns, groups, ...options }) => {
        const matrix = randomMatrix(seed, rows, columns, groups);
        const weight = await new UniformQuantizer(options).quantize(matrix);
        const { bits, codes, zeros, scales } = weight;
        const packed = packCodes(codes, bits);
        const packedZeros = packCodes(zeros, bits);
        const again = new UniformWeight({
          ...weight,
          codes: Uint8Array.from(unpackCodes(packed, bits, codes.length)),
          zeros: Uint8Array.from(unpackCodes(packedZeros, bits, zeros.length)),
        });
        expect(again.reconstruct()).toEqual(weight.reconstruct());
        const size = uniformLayerSize({ ...weight, scaleBytes: 2 });
        expect(size.bytes).toBe(packed.length + packedZeros.length + 2 * scales.length);
        expect(size.bitsPerWeight).toBeCloseTo(
          bits + (scales.length * (16 + bits)) / codes.length,
          10,
        );
      }),
      { numRuns: 50 },
    ));

  it('refuses weights, options and parts that make no sense', async () => {
    const channel = new UniformQuantizer({ bits: 2, granularity: 'channel' });
    const data = Float32Array.of(1, 2, Number.NaN, 4);
    const bad = { name: 'x', rows: 2, columns: 2, data };
    await expect(channel.quantize(bad)).rejects.toThrow(NonFiniteError);
    await expect(channel.quantize(bad)).rejects.toThrow('row 1, column 0');
    const matrix = randomMatrix(0, 4, 4);
    await expect(channel.quantize(matrix, AbortSignal.abort())).rejects.toThrow(InterruptedError);
    for (const bits of [1, 9, 2.5]) {
      const make = () => new UniformQuantizer({ bits, granularity: 'tensor' });
      expect(make).toThrow(ArgumentError);
    }
    for (const groupSize of [undefined, 1, 2.5, 0]) {
      const options = { bits: 2, granularity: 'group' as const };
      const make = () =>
        new UniformQuantizer({ ...options, ...(groupSize !== undefined && { groupSize }) });
      expect(make).toThrow(ArgumentError);
    }
    const good = await channel.quantize(matrix);
    const parts = { ...good, scales: Float32Array.of(1, 1, 1, 0) };
    expect(() => new UniformWeight(parts)).toThrow(NonFiniteError);
    const codes = good.codes.slice().fill(4, 3, 4);
    expect(() => new UniformWeight({ ...good, codes })).toThrow(IndexError);
    expect(() => new UniformWeight({ ...good, zeros: good.zeros.slice(1) })).toThrow(ArgumentError);
    expect(() => new UniformWeight({ ...good, scaleRows: 3 })).toThrow(ArgumentError);
  });
});
