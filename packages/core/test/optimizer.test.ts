import { createReferenceBackend } from '@vq4dit/backend-reference';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { adamwStep, lloydStep, RandomStream, ShapeError, TensorOps } from '../src/index.ts';

const ops = new TensorOps(createReferenceBackend());

describe('adamwStep', () => {
  it('follows the algorithm over several steps', async () => {
    const constants = {
      learningRate: 0.01,
      beta1: 0.9,
      beta2: 0.99,
      epsilon: 1e-8,
      weightDecay: 0.1,
    };
    const stream = new RandomStream(3);
    let [value, mean, square] = [0.7, 0, 0];
    let tensors = [value, mean, square].map((x) => ops.tensor([x], [1]));
    for (let step = 1; step <= 20; step++) {
      const g = Math.fround(stream.normal());
      value *= 1 - constants.learningRate * constants.weightDecay;
      mean = constants.beta1 * mean + (1 - constants.beta1) * g;
      square = constants.beta2 * square + (1 - constants.beta2) * g * g;
      const direction = mean / (1 - constants.beta1 ** step);
      const size = Math.sqrt(square / (1 - constants.beta2 ** step));
      value -= (constants.learningRate * direction) / (size + constants.epsilon);
      const [v, m, s] = tensors;
      const next = adamwStep(ops, v!, ops.tensor([g], [1]), m!, s!, { ...constants, step });
      tensors = [next.value, next.mean, next.square];
    }
    // 20 steps of a dozen float32 operations each on numbers below 1: 240 half-ulps, 1.5e-5.
    for (const [i, want] of [value, mean, square].entries()) {
      expect(Math.abs((await ops.readScalar(tensors[i]!)) - want)).toBeLessThan(1.5e-5);
    }
  });

  it('refuses shapes that differ', () => {
    const [a, b] = [ops.fill([2], 0), ops.fill([3], 0)];
    const constants = { learningRate: 1, beta1: 0, beta2: 0, epsilon: 1, weightDecay: 0, step: 1 };
    expect(() => adamwStep(ops, a, b, a, a, constants)).toThrow(ShapeError);
  });
});

describe('lloydStep', () => {
  it('gives sums and counts of what it assigned', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 1, max: 60 }),
        fc.integer({ min: 1, max: 9 }),
        fc.integer({ min: 1, max: 5 }),
        fc.nat(),
        async (rows, k, d, seed) => {
          const stream = new RandomStream(seed);
          // Small whole numbers: sums are exact and ties happen.
          const whole = (count: number) =>
            Float32Array.from({ length: count }, () => stream.integer(5) - 2);
          const [x, codebook] = [whole(rows * d), whole(k * d)];
          await ops.scope(async (s) => {
            const inputs = [s.tensor(x, [rows, d]), s.tensor(codebook, [k, d])] as const;
            const { indices, sums, counts } = lloydStep(s, ...inputs);
            const assigned = await s.readIndices(indices);
            const nearest = await s.readIndices(s.nearest(...inputs).indices);
            expect([...assigned]).toEqual([...nearest]);
            const [wantSums, wantCounts] = [new Float32Array(k * d), new Float32Array(k)];
            assigned.forEach((code, i) => {
              wantCounts[code]! += 1;
              for (let j = 0; j < d; j++) wantSums[code * d + j]! += x[i * d + j]!;
            });
            expect(await s.read(sums)).toEqual(wantSums);
            expect(await s.read(counts)).toEqual(wantCounts);
          });
        },
      ),
    );
  });
});
