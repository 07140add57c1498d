import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  GptqQuantizer,
  InterruptedError,
  layerOutputError,
  NonFiniteError,
  ShapeError,
  UniformQuantizer,
  type WeightMatrix,
} from '../src/index.ts';
import { correlatedGram, identity, randomMatrix } from './support/layers.ts';

/** One line of goldens/gptq.jsonl, which goldens/gptq.py records. */
interface Golden {
  bits: number;
  groupSize: number;
  actOrder: boolean;
  rows: number;
  columns: number;
  weights: number[];
  gram: number[];
  codes: number[];
  scales: number[];
  zeros: number[];
}

const goldens = readFileSync(new URL('goldens/gptq.jsonl', import.meta.url), 'utf8')
  .trim()
  .split('\n')
  .map((line) => JSON.parse(line) as Golden);

const setups = fc.record({
  seed: fc.nat(1e6),
  bits: fc.integer({ min: 2, max: 5 }),
  actOrder: fc.boolean(),
  groupSize: fc.constantFrom(undefined, 8, 10),
});

const optionsOf = (bits: number, groupSize: number | undefined) =>
  groupSize === undefined
    ? { bits, granularity: 'channel' as const }
    : { bits, granularity: 'group' as const, groupSize };

describe('GPTQ', () => {
  it.each(goldens.map((golden, i) => ({ ...golden, i })))(
    'gives the codes of optimal brain quantization in NumPy: $bits bits, groups of $groupSize, act-order $actOrder',
    async ({ bits, groupSize, actOrder, rows, columns, ...golden }) => {
      const gram = Float64Array.from(golden.gram);
      const quantizer = new GptqQuantizer({
        ...optionsOf(bits, groupSize),
        ...{ actOrder, gramOf: () => gram },
      });
      const data = Float32Array.from(golden.weights);
      const weight = await quantizer.quantize({ name: 'golden', rows, columns, data });
      expect([...weight.zeros]).toEqual(golden.zeros);
      expect([...weight.scales]).toEqual(golden.scales);
      expect([...weight.codes]).toEqual(golden.codes);
    },
  );

  it('is rounding to nearest where inputs are white', () =>
    fc.assert(
      fc.asyncProperty(setups, async ({ seed, bits, actOrder, groupSize }) => {
        const matrix = randomMatrix(seed, 6, 24, 3);
        const options = optionsOf(bits, groupSize);
        const nearest = await new UniformQuantizer(options).quantize(matrix);
        for (const gram of [identity(24), new Float64Array(24 * 24)]) {
          const gptq = new GptqQuantizer({ ...options, actOrder, gramOf: () => gram });
          const weight = await gptq.quantize(matrix);
          expect(weight.codes).toEqual(nearest.codes);
          expect(weight.scales).toEqual(nearest.scales);
        }
      }),
      { numRuns: 30 },
    ));

  it('moves the output of a layer with correlated inputs less than rounding to nearest', () =>
    fc.assert(
      fc.asyncProperty(setups, async ({ seed, bits, actOrder, groupSize }) => {
        const matrix = randomMatrix(seed, 48, 40);
        const gram = correlatedGram(seed, 40, 8);
        const options = optionsOf(bits, groupSize);
        const error = async (quantizer: {
          quantize: (weight: WeightMatrix) => Promise<{ reconstruct(): Float32Array }>;
        }) => layerOutputError(matrix, (await quantizer.quantize(matrix)).reconstruct(), gram);
        const gptq = await error(new GptqQuantizer({ ...options, actOrder, gramOf: () => gram }));
        expect(gptq).toBeLessThan(await error(new UniformQuantizer(options)));
      }),
      { numRuns: 30 },
    ));

  it('does not depend on how many rows a matrix has', async () => {
    const matrix = randomMatrix(4, 70, 12); // more than two batches of rows
    const gram = correlatedGram(4, 12, 4);
    const quantizer = new GptqQuantizer({ ...optionsOf(3, 5), gramOf: () => gram });
    const whole = await quantizer.quantize(matrix);
    const data = matrix.data.subarray(33 * 12, 34 * 12);
    const one = await quantizer.quantize({ name: 'layer', rows: 1, columns: 12, data });
    expect(one.codes).toEqual(whole.codes.slice(33 * 12, 34 * 12));
  });

  it('asks for the statistics of the layer by name, and refuses what does not fit', async () => {
    const matrix = randomMatrix(0, 4, 8);
    const asked: string[] = [];
    const gramOf = (name: string) => {
      asked.push(name);
      return identity(8);
    };
    const options = optionsOf(2, undefined);
    await new GptqQuantizer({ ...options, gramOf }).quantize(matrix);
    expect(asked).toEqual(['layer']);
    const quantize = (gram: Float64Array, damping: number, data = matrix.data) =>
      new GptqQuantizer({ ...options, damping, gramOf: () => gram }).quantize({ ...matrix, data });
    await expect(quantize(identity(7), 0.01)).rejects.toThrow(ShapeError);
    await expect(quantize(identity(8), -1)).rejects.toThrow(ArgumentError);
    const holed = identity(8).fill(0, 0, 8);
    await expect(quantize(holed, 0)).rejects.toThrow('layer: The Hessian is not positive definite');
    const nan = matrix.data.slice().fill(Number.NaN, 5, 6);
    await expect(quantize(identity(8), 0.01, nan)).rejects.toThrow(NonFiniteError);
    const stopped = new GptqQuantizer({ ...options, gramOf }).quantize(matrix, AbortSignal.abort());
    await expect(stopped).rejects.toThrow(InterruptedError);
  });
});

describe('layer output error', () => {
  it('is the mean squared change of the outputs', () => {
    const matrix = randomMatrix(3, 3, 5);
    const inputs = Array.from({ length: 9 }, (_, i) => randomMatrix(i + 50, 1, 5).data);
    const gram = new Float64Array(25);
    for (const x of inputs) {
      for (let i = 0; i < 25; i++) gram[i]! += (x[Math.floor(i / 5)]! * x[i % 5]!) / inputs.length;
    }
    const moved = randomMatrix(4, 3, 5).data;
    let expected = 0;
    for (const x of inputs) {
      for (let row = 0; row < 3; row++) {
        let change = 0;
        for (let i = 0; i < 5; i++) {
          change += (matrix.data[row * 5 + i]! - moved[row * 5 + i]!) * x[i]!;
        }
        expected += change ** 2 / inputs.length;
      }
    }
    // float64 sums of a few terms
    expect(layerOutputError(matrix, moved, gram) / expected).toBeCloseTo(1, 12);
    expect(() => layerOutputError(matrix, moved, new Float64Array(24))).toThrow(ShapeError);
  });
});
