import { createReferenceBackend } from '@vq4dit/backend-reference';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  candidatesWithPresent,
  dampedGram,
  fitCodebooks,
  InterruptedError,
  layerOutputError,
  refineByOutputError,
  ShapeError,
  TensorOps,
  VectorQuantizer,
  VqWeight,
} from '../src/index.ts';
import { correlatedGram, randomMatrix } from './support/layers.ts';

const ops = new TensorOps(createReferenceBackend());
const [ROWS, COLUMNS] = [12, 16];
const DAMPING = 0.01;

async function problem(seed: number, groups: number, rank: number) {
  const weight = randomMatrix(seed, ROWS, COLUMNS, groups);
  const gram = correlatedGram(seed, COLUMNS, rank);
  const quantizer = new VectorQuantizer({ codewords: 8, subvector: 2, seed: 0 });
  return { weight, gram, quantized: await quantizer.quantize(weight) };
}
type Problem = Awaited<ReturnType<typeof problem>>;

/** The objective, with the damping that both steps use. */
const errorOf = ({ weight, gram }: Problem, quantized: VqWeight) =>
  layerOutputError(weight, quantized.reconstruct(), dampedGram(gram, COLUMNS, DAMPING));

const problems = fc.record({
  seed: fc.nat(1e6),
  groups: fc.constantFrom(1, 2),
  rank: fc.integer({ min: 1, max: 6 }),
});

describe('codebooks by least squares', () => {
  it('are a minimum: no codeword can be moved for the better', async () => {
    await fc.assert(
      fc.asyncProperty(problems, fc.nat(1e6), async ({ seed, groups, rank }, at) => {
        const given = await problem(seed, groups, rank);
        const fitted = await fitCodebooks(ops, { ...given, iterations: 200 });
        expect(fitted.codes).toEqual(given.quantized.codes);
        const least = errorOf(given, fitted);
        expect(least).toBeLessThanOrEqual(errorOf(given, given.quantized) * (1 + 1e-6));
        const index = at % fitted.codebook.length;
        for (const move of [-0.01, 0.01]) {
          const codebook = Float32Array.from(fitted.codebook);
          codebook[index]! += move;
          const moved = errorOf(given, new VqWeight({ ...fitted, codebook }));
          // The minimum is flat: float32 products leave it by some 1e-6 of the error there was.
          expect(moved).toBeGreaterThanOrEqual(least - 1e-5 * errorOf(given, given.quantized));
        }
      }),
      { numRuns: 40 },
    );
  });

  it('leave a codeword alone that no sub-vector has', async () => {
    const given = await problem(3, 1, 3);
    const { codes, codebook, d } = given.quantized;
    const unused = codes.map((code) => (code === 5 ? 4 : code));
    const quantized = new VqWeight({ ...given.quantized, codes: unused });
    const fitted = await fitCodebooks(ops, { ...given, quantized });
    expect(fitted.codebook.slice(5 * d, 6 * d)).toEqual(codebook.slice(5 * d, 6 * d));
    expect(fitted.codebook).not.toEqual(codebook);
  });

  it('are the mean of their sub-vectors where inputs are white', async () => {
    const given = await problem(4, 2, 1);
    const white = Float64Array.from({ length: COLUMNS ** 2 }, (_, i) =>
      i % (COLUMNS + 1) === 0 ? 1 : 0,
    );
    const { codebook } = await fitCodebooks(ops, { ...given, gram: white });
    // K-means has stopped at exactly these means, rounded to float32.
    for (const [i, value] of codebook.entries()) {
      expect(Math.abs(value - given.quantized.codebook[i]!)).toBeLessThan(1e-4);
    }
  });
});

describe('refinement by output error', () => {
  it('never raises the error, round by round', async () => {
    await fc.assert(
      fc.asyncProperty(problems, async ({ seed, groups, rank }) => {
        const given = await problem(seed, groups, rank);
        let before = errorOf(given, given.quantized);
        for (const rounds of [1, 2, 4]) {
          const refined = await refineByOutputError(ops, { ...given, candidates: 3, rounds });
          const after = errorOf(given, refined);
          expect(after).toBeLessThanOrEqual(before * (1 + 1e-6));
          before = after;
        }
      }),
      { numRuns: 25 },
    );
  });

  it('keeps the present code among the candidates', async () => {
    const given = await problem(5, 2, 3);
    const codes = given.quantized.codes.map((code) => (code + 3) % given.quantized.k);
    const moved = new VqWeight({ ...given.quantized, codes });
    const { candidates, choice } = await candidatesWithPresent(ops, given.weight, moved, 2);
    for (const [i, code] of codes.entries()) expect(candidates[i * 2 + choice[i]!]).toBe(code);
  });

  it('frees what it makes, stops when told to, and refuses what does not fit', async () => {
    const given = await problem(6, 1, 2);
    const before = ops.memory().liveTensors;
    await refineByOutputError(ops, { ...given, candidates: 2, rounds: 2 });
    expect(ops.memory().liveTensors).toBe(before);
    const signal = AbortSignal.abort();
    await expect(fitCodebooks(ops, { ...given, signal })).rejects.toThrow(InterruptedError);
    const gram = new Float64Array(9);
    await expect(fitCodebooks(ops, { ...given, gram })).rejects.toThrow(ShapeError);
    expect(ops.memory().liveTensors).toBe(before);
  });
});
