import { type AdamwConstants, adamwStep, rmspropStep } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Host, host, normal } from './support/devices.ts';
import { expectWithin, relativeError, useFused } from './support/fused.ts';

const devices = useFused();
const U = 2 ** -24;

const positive = ({ data, shape }: Host) => host((data as Float32Array).map(Math.abs), shape);

describe('rmspropStep', () => {
  const options = { learningRate: 0.01, decay: 0.9, epsilon: 1e-8 };
  const check = async (n: number) => {
    const [value, grad] = [normal([n], 1), normal([n], 2)];
    const square = positive(normal([n], 3));
    const squares = Array.from(square.data, (s, i) => 0.9 * s + 0.1 * grad.data[i]! ** 2);
    const steps = squares.map((s, i) => (0.01 * grad.data[i]!) / (Math.sqrt(s) + 1e-8));
    const results = await devices.run(
      'rmspropStep',
      (ops, [v, g, s]) => Object.values(rmspropStep(ops, v!, g!, s!, options)),
      [value, grad, square],
    );
    for (const [gotValue, gotSquare] of results) {
      // Constants, products, a sum; then a root, a sum, a quotient and a difference.
      expectWithin(gotSquare!, squares, (i) => 6 * U * squares[i]!);
      const want = steps.map((step, i) => value.data[i]! - step);
      expectWithin(
        gotValue!,
        want,
        (i) => U * (2 * Math.abs(value.data[i]!) + 12 * Math.abs(steps[i]!)),
      );
    }
  };

  it('is right for every length', async () => {
    for (let n = 1; n <= 67; n++) await check(n);
  });

  it('is right over several chunks', () => check(100_003));

  it('takes no step for a gradient that never was', async () => {
    const [value, zero] = [normal([9]), host(new Float32Array(9))];
    const results = await devices.run(
      'rmspropStep',
      (ops, [v, g, s]) => Object.values(rmspropStep(ops, v!, g!, s!, options)),
      [value, zero, zero],
    );
    for (const [got, square] of results) {
      expect(got).toEqual(value.data);
      expect(square).toEqual(zero.data);
    }
  });
});

/** PyTorch's AdamW in float64, in place. */
function adamw(
  [value, grad, mean, square]: readonly Float64Array[],
  { learningRate, beta1, beta2, epsilon, weightDecay, step }: AdamwConstants,
): void {
  for (let i = 0; i < value!.length; i++) {
    value![i]! *= 1 - learningRate * weightDecay;
    mean![i] = beta1 * mean![i]! + (1 - beta1) * grad![i]!;
    square![i] = beta2 * square![i]! + (1 - beta2) * grad![i]! ** 2;
    const root = Math.sqrt(square![i]!) / Math.sqrt(1 - beta2 ** step);
    value![i]! -= ((learningRate / (1 - beta1 ** step)) * mean![i]!) / (root + epsilon);
  }
}

const runAdamw = (inputs: readonly Host[], constants: AdamwConstants) =>
  devices.run(
    'adamwStep',
    (ops, [v, g, m, s]) => Object.values(adamwStep(ops, v!, g!, m!, s!, constants)),
    inputs,
  );

describe('adamwStep', () => {
  const CONSTANTS = {
    learningRate: 1e-3,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    weightDecay: 0.1,
  };

  const check = async (inputs: readonly Host[], constants: AdamwConstants) => {
    const want = inputs.map(({ data }) => Float64Array.from(data));
    adamw(want, constants);
    const [value, , mean, square] = want as [
      Float64Array,
      Float64Array,
      Float64Array,
      Float64Array,
    ];
    const [v, g, m] = inputs.map(({ data }) => data) as [Float32Array, Float32Array, Float32Array];
    for (const [gotValue, gotMean, gotSquare] of await runAdamw(inputs, constants)) {
      const size = (i: number) =>
        Math.abs(constants.beta1 * m[i]!) + Math.abs((1 - constants.beta1) * g[i]!);
      expectWithin(gotMean!, mean, (i) => 4 * U * size(i));
      expectWithin(gotSquare!, square, (i) => 8 * U * square[i]!);
      // The mean may cancel; the step is as much off as the mean before its division.
      const rate = constants.learningRate / (1 - constants.beta1 ** constants.step);
      const root = (i: number) => Math.sqrt(square[i]! / (1 - constants.beta2 ** constants.step));
      expectWithin(gotValue!, value, (i) => {
        const step = (rate * size(i)) / (root(i) + constants.epsilon);
        return U * (4 * Math.abs(v[i]!) + 24 * step);
      });
    }
  };

  const inputs = (n: number) => [
    normal([n], 1),
    normal([n], 2),
    normal([n], 3),
    positive(normal([n], 4)),
  ];

  it('is right for every length', async () => {
    for (let n = 1; n <= 67; n++) await check(inputs(n), { ...CONSTANTS, step: n });
  });

  it('is right over several chunks', () => check(inputs(100_003), { ...CONSTANTS, step: 7 }));

  it('is right for any constants', async () => {
    const constants = fc.record({
      learningRate: fc.constantFrom(1e-4, 0.01, 0.5),
      beta1: fc.constantFrom(0, 0.5, 0.9),
      beta2: fc.constantFrom(0.5, 0.95, 0.999),
      epsilon: fc.constantFrom(1e-8, 1e-3, 1),
      weightDecay: fc.constantFrom(0, 0.01, 1),
      step: fc.integer({ min: 1, max: 10_000 }),
    });
    await fc.assert(
      fc.asyncProperty(constants, (c) => check(inputs(20), c)),
      { numRuns: 60 },
    );
  });

  it('stays with a float64 loop over many steps', async () => {
    const n = 41;
    const want = [
      normal([n], 1),
      host(new Float32Array(n)),
      host(new Float32Array(n)),
      host(new Float32Array(n)),
    ].map(({ data }) => Float64Array.from(data));
    let state = [
      [normal([n], 1).data, new Float32Array(n), new Float32Array(n)],
    ] as Float32Array[][];
    state = [state[0]!, state[0]!];
    for (let step = 1; step <= 20; step++) {
      const grad = normal([n], 100 + step);
      want[1] = Float64Array.from(grad.data);
      adamw(want, { ...CONSTANTS, step });
      const next: Float32Array[][] = [];
      for (const [build, [v, m, s]] of state.entries()) {
        const given = [host(v!), grad, host(m!), host(s!)];
        next.push((await runAdamw(given, { ...CONSTANTS, step }))[build]!);
      }
      state = next;
    }
    for (const [v, m, s] of state) {
      // Twenty steps of a few u each.
      expect(relativeError(v!, want[0]!)).toBeLessThan(2e-6);
      expect(relativeError(m!, want[2]!)).toBeLessThan(2e-6);
      expect(relativeError(s!, want[3]!)).toBeLessThan(2e-6);
    }
  });
});
