import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  type LinearParameters,
  NonFiniteError,
  RandomStream,
  reparametrizeInput,
  reparametrizeModulation,
  reparametrizeScales,
  type ScaleReparametrization,
  ShapeError,
} from '../src/index.ts';
import { randomMatrix } from './support/layers.ts';

const CHANNELS = 8;
const setups = fc.record({
  seed: fc.nat(1e6),
  low: fc.array(fc.double({ min: -20, max: -0.01, noNaN: true }), {
    minLength: CHANNELS,
    maxLength: CHANNELS,
  }),
  high: fc.array(fc.double({ min: 0.01, max: 20, noNaN: true }), {
    minLength: CHANNELS,
    maxLength: CHANNELS,
  }),
});

const ranges = ({ low, high }: { low: number[]; high: number[] }) => ({
  low: Float32Array.from(low),
  high: Float32Array.from(high),
});

function linear({ weight, bias }: LinearParameters, x: ArrayLike<number>): Float64Array {
  const { rows, columns, data } = weight;
  const y = Float64Array.from(bias);
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) y[row]! += data[row * columns + i]! * x[i]!;
  }
  return y;
}

/** Sum of the magnitudes that a linear layer adds up: what its rounding is relative to. */
function magnitude({ weight, bias }: LinearParameters, x: ArrayLike<number>): Float64Array {
  const data = weight.data.map(Math.abs);
  return linear({ weight: { ...weight, data }, bias: bias.map(Math.abs) }, Array.from(x, Math.abs));
}

const moved = (x: Float64Array, { divide, shift }: ScaleReparametrization) =>
  x.map((value, j) => (value + shift[j]!) / divide[j]!);

const layer = (seed: number, rows: number, columns: number): LinearParameters => ({
  weight: randomMatrix(seed, rows, columns),
  bias: new RandomStream(seed, 'bias').fillNormal(new Float32Array(rows)),
});

describe('scale reparametrization', () => {
  it('gives every channel the same range, to the rounding of zero points', () => {
    fc.assert(
      fc.property(setups, (setup) => {
        const { divide, shift } = reparametrizeScales(ranges(setup));
        const { low, high } = ranges(setup);
        const lows = [...low].map((value, j) => (value + shift[j]!) / divide[j]!);
        const widths = [...high].map((value, j) => (value - low[j]!) / divide[j]!);
        const step = widths[0]! / 255;
        for (let j = 0; j < CHANNELS; j++) {
          expect(widths[j]! / widths[0]!).toBeCloseTo(1, 9);
          // Zero points of channels are rounded to half a step each, so two differ by one at most.
          expect(Math.abs(lows[j]! - lows[0]!)).toBeLessThanOrEqual(1.0001 * step);
        }
      }),
    );
  });

  it('changes no output: the next layer takes up what its input has lost', () => {
    fc.assert(
      fc.property(setups, (setup) => {
        const change = reparametrizeScales(ranges(setup));
        const next = layer(setup.seed, 5, CHANNELS);
        const x = Float64Array.from(setup.low, (low, j) => (low + setup.high[j]!) / 2);
        const changed = reparametrizeInput(next, change);
        const [expected, found] = [linear(next, x), linear(changed, moved(x, change))];
        const shifted = magnitude(changed, moved(x, change));
        // Weights and bias are rounded to float32 once, 2^-24 of what they contribute.
        for (let i = 0; i < 5; i++) {
          expect(Math.abs(found[i]! - expected[i]!)).toBeLessThanOrEqual(2 ** -22 * shifted[i]!);
        }
      }),
    );
  });

  it('makes the modulation give the changed input', () => {
    fc.assert(
      fc.property(setups, (setup) => {
        const change = reparametrizeScales(ranges(setup));
        const modulation = layer(setup.seed, 3 * CHANNELS, 4);
        const rows = { shift: CHANNELS, scale: 2 * CHANNELS };
        const changed = reparametrizeModulation(modulation, change, rows);
        const random = new RandomStream(setup.seed, 'inputs');
        const conditioning = random.fillNormal(new Float32Array(4));
        const normalized = random.fillNormal(new Float32Array(CHANNELS));
        const modulated = (of: LinearParameters) => {
          const out = linear(of, conditioning);
          return Float64Array.from(
            normalized,
            (n, j) => n * (1 + out[rows.scale + j]!) + out[rows.shift + j]!,
          );
        };
        const [expected, found] = [moved(modulated(modulation), change), modulated(changed)];
        const size = magnitude(changed, conditioning);
        for (let j = 0; j < CHANNELS; j++) {
          const terms =
            Math.abs(normalized[j]!) * (1 + size[rows.scale + j]!) + size[rows.shift + j]!;
          expect(Math.abs(found[j]! - expected[j]!)).toBeLessThanOrEqual(2 ** -22 * terms);
        }
        // The other rows are left alone.
        const end = CHANNELS * 4;
        expect(changed.weight.data.subarray(0, end)).toEqual(
          modulation.weight.data.subarray(0, end),
        );
        expect(changed.bias.subarray(0, CHANNELS)).toEqual(modulation.bias.subarray(0, CHANNELS));
      }),
    );
  });

  it('leaves a channel alone that never varies', () => {
    const low = Float32Array.from([-1, 3, -2]);
    const high = Float32Array.from([1, 3, 5]);
    const { divide, shift } = reparametrizeScales({ low, high });
    expect([divide[1], shift[1]]).toEqual([1, 0]);
    expect([...divide, ...shift].every(Number.isFinite)).toBe(true);
    const still = Float32Array.from([4, 4]);
    expect([...reparametrizeScales({ low: still, high: still }).divide]).toEqual([1, 1]);
  });

  it('refuses what does not fit', () => {
    const of = (...values: number[]) => Float32Array.from(values);
    expect(() => reparametrizeScales({ low: of(1), high: of(1, 2) })).toThrow(ShapeError);
    expect(() => reparametrizeScales({ low: of(2), high: of(1) })).toThrow(ArgumentError);
    expect(() => reparametrizeScales({ low: of(NaN), high: of(1) })).toThrow(NonFiniteError);
    const change = reparametrizeScales({ low: of(-1, -1), high: of(1, 2) });
    expect(() => reparametrizeInput(layer(1, 3, 4), change)).toThrow(ShapeError);
    expect(() => reparametrizeModulation(layer(1, 3, 4), change, { shift: 0, scale: 2 })).toThrow(
      ShapeError,
    );
  });
});
