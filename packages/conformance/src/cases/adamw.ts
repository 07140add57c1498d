import { type AdamwConstants, adamwStep, type Shape } from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor, shapes } from '../arbitraries.ts';
import { equal, scaled } from '../comparators.ts';
import { bothWays, type Draft } from '../composed-case.ts';
import { floats, gaussian, type HostTensor, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';

interface State {
  readonly value: HostTensor;
  readonly grad: HostTensor;
  readonly mean: HostTensor;
  readonly square: HostTensor;
}

/**
 * m' = b1 m + (1 - b1) g, s' = b2 s + (1 - b2) g^2 and
 * v' = v - lr decay v - lr m'/(1 - b1^t) / (sqrt(s'/(1 - b2^t)) + eps): a handful of roundings each.
 * m' may cancel, so the step is as much off as if its terms had been added.
 */
export function adamwTrial({ value, grad, mean, square }: State, constants: AdamwConstants): Trial {
  return {
    description: `adamwStep ${JSON.stringify(constants)}, v [${[...value.data.slice(0, 4)].join(', ')}], g [${[...grad.data.slice(0, 4)].join(', ')}], m [${[...mean.data.slice(0, 4)].join(', ')}], s [${[...square.data.slice(0, 4)].join(', ')}]`,
    inputs: [value, grad, mean, square],
    run(ops, [v, g, m, s]) {
      const next = adamwStep(ops, v!, g!, m!, s!, constants);
      return [next.value, next.mean, next.square];
    },
    expected() {
      const { learningRate, beta1, beta2, epsilon, weightDecay, step } = constants;
      const { shape } = value;
      const count = value.data.length;
      const [values, means, squares] = [0, 0, 0].map(() => new Float64Array(count)) as [
        Float64Array,
        Float64Array,
        Float64Array,
      ];
      const [valueSizes, meanSizes] = [new Float64Array(count), new Float64Array(count)];
      for (let i = 0; i < count; i++) {
        const [v, g] = [value.data[i]!, grad.data[i]!];
        const [old, fresh] = [beta1 * mean.data[i]!, (1 - beta1) * g];
        means[i] = old + fresh;
        meanSizes[i] = Math.abs(old) + Math.abs(fresh);
        squares[i] = beta2 * square.data[i]! + (1 - beta2) * g * g;
        const divisor = Math.sqrt(squares[i]! / (1 - beta2 ** step)) + epsilon;
        const rate = learningRate / (1 - beta1 ** step) / divisor;
        values[i] = v - learningRate * weightDecay * v - rate * means[i]!;
        valueSizes[i] = Math.abs(v) + 4 * rate * meanSizes[i]!;
      }
      return [
        { shape, dtype: 'float32', values, compare: scaled(valueSizes, 4) },
        { shape, dtype: 'float32', values: means, compare: scaled(meanSizes, 4) },
        { shape, dtype: 'float32', values: squares, compare: scaled(squares, 8) },
      ];
    },
  };
}

const ELEMENTWISE: readonly Shape[] = [[], [1], [7], [17, 33], [2, 3, 4, 5]];

const CONSTANTS: AdamwConstants = {
  learningRate: 0.01,
  beta1: 0.9,
  beta2: 0.999,
  epsilon: 1e-8,
  weightDecay: 0.1,
  step: 3,
};

const drafts: Draft[] = [
  {
    op: 'adamwStep',
    id: 'adamwStep(known)',
    // Step 2, all betas 1/2: m' = 1 + 2 = 3, s' = 19 + 8 = 27, corrected by 3/4 to 4 and 36;
    // v' = 8 (1 - 1/2 * 1/4) - 1/2 * 4 / (6 + 2) = 6.75.
    trial: () => ({
      inputs: [floats([1], [8]), floats([1], [4]), floats([1], [2]), floats([1], [38])],
      run(ops, [v, g, m, s]) {
        const next = adamwStep(ops, v!, g!, m!, s!, {
          learningRate: 0.5,
          beta1: 0.5,
          beta2: 0.5,
          epsilon: 2,
          weightDecay: 0.25,
          step: 2,
        });
        return [next.value, next.mean, next.square];
      },
      expected: () => [
        { shape: [1], dtype: 'float32', values: Float64Array.of(6.75), compare: scaled([7], 4) },
        { shape: [1], dtype: 'float32', values: Float64Array.of(3), compare: equal },
        { shape: [1], dtype: 'float32', values: Float64Array.of(27), compare: equal },
      ],
    }),
  },
  {
    op: 'adamwStep',
    id: 'adamwStep(firstStep)',
    // No history: whatever the gradient's size, the step is the learning rate, until epsilon counts.
    trial: () =>
      adamwTrial(
        {
          value: floats([6], () => 1),
          grad: floats([6], [1, -1, 1e-3, -1e-6, 1e-7, 0]),
          mean: floats([6], () => 0),
          square: floats([6], () => 0),
        },
        { ...CONSTANTS, step: 1 },
      ),
  },
  ...ELEMENTWISE.map(
    (shape): Draft => ({
      op: 'adamwStep',
      id: caseId('adamwStep', { shape }),
      trial: (rng) =>
        adamwTrial(
          {
            value: gaussian(rng, shape),
            grad: gaussian(rng, shape),
            mean: gaussian(rng, shape),
            square: uniform(rng, shape),
          },
          CONSTANTS,
        ),
    }),
  ),
  {
    op: 'adamwStep',
    id: 'adamwStep(property)',
    trials: shapes(3, 40).chain((shape) =>
      fc
        .tuple(
          fc.record({
            value: floatTensor(shape, finite(-8, 8)),
            grad: floatTensor(shape, finite(-8, 8)),
            mean: floatTensor(shape, finite(-8, 8)),
            square: floatTensor(shape, finite(0, 8)),
          }),
          fc.record({
            learningRate: fc.constantFrom(1e-4, 0.01, 0.5),
            beta1: fc.constantFrom(0, 0.5, 0.9),
            beta2: fc.constantFrom(0.5, 0.95, 0.999),
            epsilon: fc.constantFrom(1e-8, 1e-3, 1),
            weightDecay: fc.constantFrom(0, 0.01, 1),
            step: fc.integer({ min: 1, max: 1000 }),
          }),
        )
        .map(([state, constants]) => adamwTrial(state, constants)),
    ),
  },
];

export const adamwCases: readonly OpCase[] = drafts.flatMap(bothWays);
