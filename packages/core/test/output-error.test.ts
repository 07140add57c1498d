import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ArgumentError,
  assignByOutputError,
  candidateSets,
  InterruptedError,
  RandomStream,
  ShapeError,
  VectorQuantizer,
  type WeightMatrix,
} from '../src/index.ts';

interface Problem {
  weight: WeightMatrix;
  quantized: Awaited<ReturnType<VectorQuantizer['quantize']>>;
  candidates: Int32Array;
  gram: Float64Array;
}

/** A random layer whose inputs mix `rank` sources, so that they are correlated. */
async function problem(seed: number, groups: number, n: number, rank: number): Promise<Problem> {
  const [rows, columns, d] = [8, 16, 2];
  const random = new RandomStream(seed);
  const data = random.derive('weights').fillNormal(new Float32Array(rows * columns));
  const weight = { name: 'layer', rows, columns, data, groups };
  const quantizer = new VectorQuantizer({ codewords: 8, subvector: d, seed: 0 });
  const quantized = await quantizer.quantize(weight);
  const perGroup = (rows * columns) / (d * groups);
  const candidates = new Int32Array(groups * perGroup * n);
  for (let group = 0; group < groups; group++) {
    const k = quantized.k;
    const sets = await candidateSets({
      data: data.subarray(group * perGroup * d, (group + 1) * perGroup * d),
      dimension: d,
      codebook: quantized.codebook.subarray(group * k * d, (group + 1) * k * d),
      n,
    });
    candidates.set(sets.indices, group * perGroup * n);
  }
  const mixing = random.derive('mixing').fillNormal(new Float32Array(rank * columns));
  const gram = new Float64Array(columns * columns);
  for (let r = 0; r < rank; r++) {
    for (let i = 0; i < columns * columns; i++) {
      const [a, b] = [Math.floor(i / columns), i % columns];
      gram[i]! += mixing[r * columns + a]! * mixing[r * columns + b]!;
    }
  }
  return { weight, quantized, candidates, gram };
}

/** trace((W - W^) H (W - W^)^T) by its definition. */
function objective({ weight, quantized, candidates, gram }: Problem, choice: Int32Array): number {
  const { rows, columns, data } = weight;
  const { d, k, codebook, subvectorsPerGroup } = quantized;
  const n = candidates.length / choice.length;
  const error = data.map((w, at) => {
    const i = Math.floor(at / d);
    const code = candidates[i * n + choice[i]!]!;
    return w - codebook[(Math.floor(i / subvectorsPerGroup) * k + code) * d + (at % d)]!;
  });
  let total = 0;
  for (let row = 0; row < rows; row++) {
    for (let a = 0; a < columns; a++) {
      for (let b = 0; b < columns; b++) {
        total += error[row * columns + a]! * gram[a * columns + b]! * error[row * columns + b]!;
      }
    }
  }
  return total;
}

const problems = fc.record({
  seed: fc.nat(1e6),
  groups: fc.constantFrom(1, 2),
  n: fc.integer({ min: 1, max: 4 }),
  rank: fc.integer({ min: 1, max: 6 }),
});

describe('assignment by output error', () => {
  it('never has a larger error than the nearest candidates, and no single change improves it', () =>
    fc.assert(
      fc.asyncProperty(problems, async ({ seed, groups, n, rank }) => {
        const p = await problem(seed, groups, n, rank);
        const choice = await assignByOutputError({ ...p, sweeps: 100, damping: 0 });
        const found = objective(p, choice);
        const start = objective(p, new Int32Array(choice.length));
        // Weights are float32 and sums float64: 1e-5 of the start is far above any rounding here.
        const slack = 1e-5 * start;
        expect(found).toBeLessThanOrEqual(start + slack);
        for (let i = 0; i < choice.length; i += 5) {
          for (let j = 0; j < n; j++) {
            const other = choice.slice();
            other[i] = j;
            expect(objective(p, other)).toBeGreaterThanOrEqual(found - slack);
          }
        }
      }),
      { numRuns: 20 },
    ));

  it('improves with every pass', async () => {
    const p = await problem(3, 2, 4, 3);
    const after = async (sweeps: number) =>
      objective(p, await assignByOutputError({ ...p, sweeps, damping: 0 }));
    const errors = [await after(0), await after(1), await after(2), await after(20)];
    expect(errors[1]!).toBeLessThan(errors[0]! / 2);
    expect(errors[2]!).toBeLessThanOrEqual(errors[1]!);
    expect(errors[3]!).toBeLessThanOrEqual(errors[2]!);
  });

  it('goes on from given positions, and with products that are known to the same result', async () => {
    const p = await problem(4, 2, 4, 3);
    const { rows, columns, data } = p.weight;
    const once = await assignByOutputError({ ...p, sweeps: 1, damping: 0 });
    const more = await assignByOutputError({ ...p, sweeps: 30, start: once, damping: 0 });
    expect(more).toEqual(await assignByOutputError({ ...p, sweeps: 31, damping: 0 }));
    // W - W^ for the first candidates, times H.
    const nearest = p.quantized.reconstruct();
    const slope = new Float32Array(data.length);
    for (let row = 0; row < rows; row++) {
      for (let a = 0; a < columns; a++) {
        for (let b = 0; b < columns; b++) {
          const at = row * columns + b;
          slope[row * columns + a]! += p.gram[a * columns + b]! * (data[at]! - nearest[at]!);
        }
      }
    }
    expect(await assignByOutputError({ ...p, sweeps: 1, slope, damping: 0 })).toEqual(once);
    const short = { ...p, slope: new Float32Array(3) };
    await expect(assignByOutputError(short)).rejects.toThrow(ShapeError);
    const few = { ...p, start: new Int32Array(3) };
    await expect(assignByOutputError(few)).rejects.toThrow(ShapeError);
  });

  it('is the nearest candidate for white inputs, or under overwhelming damping', async () => {
    const p = await problem(5, 1, 3, 2);
    const columns = p.weight.columns;
    const white = new Float64Array(columns * columns);
    for (let i = 0; i < columns; i++) white[i * columns + i] = 1;
    expect(Math.max(...(await assignByOutputError({ ...p, gram: white })))).toBe(0);
    expect(Math.max(...(await assignByOutputError({ ...p, damping: 1e9 })))).toBe(0);
  });

  it('refuses parts that do not fit, and stops when it is told to', async () => {
    const p = await problem(1, 1, 2, 2);
    await expect(assignByOutputError({ ...p, gram: new Float64Array(4) })).rejects.toThrow(
      ShapeError,
    );
    await expect(assignByOutputError({ ...p, damping: -1 })).rejects.toThrow(ArgumentError);
    const signal = AbortSignal.abort();
    await expect(assignByOutputError({ ...p, signal })).rejects.toThrow(InterruptedError);
  });
});
