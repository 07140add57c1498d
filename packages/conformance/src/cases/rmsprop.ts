import { type RmspropOptions, rmspropStep, type Shape } from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor, shapes } from '../arbitraries.ts';
import { equal, scaled } from '../comparators.ts';
import { bothWays, type Draft } from '../composed-case.ts';
import { floats, gaussian, type HostTensor, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';

/** s' = a s + (1 - a) g^2 and v' = v - lr g / (sqrt(s') + eps): a handful of roundings each. */
export function rmspropTrial(
  value: HostTensor,
  grad: HostTensor,
  square: HostTensor,
  options: RmspropOptions,
): Trial {
  return {
    description: `rmspropStep ${JSON.stringify(options)}, g [${[...grad.data.slice(0, 4)].join(', ')}], s [${[...square.data.slice(0, 4)].join(', ')}]`,
    inputs: [value, grad, square],
    run(ops, [v, g, s]) {
      const next = rmspropStep(ops, v!, g!, s!, options);
      return [next.value, next.square];
    },
    expected() {
      const { learningRate, decay, epsilon } = options;
      const squares = Float64Array.from(
        square.data,
        (s, i) => decay * s + (1 - decay) * grad.data[i]! ** 2,
      );
      const steps = squares.map(
        (s, i) => (learningRate * grad.data[i]!) / (Math.sqrt(s) + epsilon),
      );
      const values = steps.map((step, i) => value.data[i]! - step);
      const sizes = steps.map((step, i) => Math.abs(value.data[i]!) + 4 * Math.abs(step));
      const { shape } = value;
      return [
        { shape, dtype: 'float32', values, compare: scaled(sizes, 4) },
        { shape, dtype: 'float32', values: squares, compare: scaled(squares, 8) },
      ];
    },
  };
}

const ELEMENTWISE: readonly Shape[] = [[], [1], [7], [17, 33], [2, 3, 4, 5]];

const RMSPROP: RmspropOptions = { learningRate: 0.01, decay: 0.99, epsilon: 1e-8 };

const rmspropDrafts: Draft[] = [
  {
    op: 'rmspropStep',
    id: 'rmspropStep(known)',
    // s' = 0.5 * 2 + 0.5 * 16 = 9; v' = 1 - 0.5 * 4 / (3 + 1) = 0.5
    trial: () => ({
      inputs: [floats([1], [1]), floats([1], [4]), floats([1], [2])],
      run(ops, [v, g, s]) {
        const options = { learningRate: 0.5, decay: 0.5, epsilon: 1 };
        const next = rmspropStep(ops, v!, g!, s!, options);
        return [next.value, next.square];
      },
      expected: () => [
        { shape: [1], dtype: 'float32', values: Float64Array.of(0.5), compare: equal },
        { shape: [1], dtype: 'float32', values: Float64Array.of(9), compare: equal },
      ],
    }),
  },
  {
    op: 'rmspropStep',
    id: 'rmspropStep(firstStep)',
    // No history yet, and gradients of very different sizes: epsilon must be outside the root.
    trial: () =>
      rmspropTrial(
        floats([6], () => 1),
        floats([6], [1, -1, 1e-3, -1e-6, 1e-7, 0]),
        floats([6], () => 0),
        RMSPROP,
      ),
  },
  ...ELEMENTWISE.map(
    (shape): Draft => ({
      op: 'rmspropStep',
      id: caseId('rmspropStep', { shape }),
      trial: (rng) =>
        rmspropTrial(gaussian(rng, shape), gaussian(rng, shape), uniform(rng, shape), RMSPROP),
    }),
  ),
  {
    op: 'rmspropStep',
    id: 'rmspropStep(property)',
    trials: shapes(3, 40).chain((shape) =>
      fc
        .tuple(
          floatTensor(shape, finite(-8, 8)),
          floatTensor(shape, finite(-8, 8)),
          floatTensor(shape, finite(0, 8)),
          fc.record({
            learningRate: fc.constantFrom(1e-4, 0.01, 0.5),
            decay: fc.constantFrom(0, 0.5, 0.9, 0.99),
            epsilon: fc.constantFrom(1e-8, 1e-3, 1),
          }),
        )
        .map(([v, g, s, options]) => rmspropTrial(v, g, s, options)),
    ),
  },
];

export const rmspropCases: readonly OpCase[] = rmspropDrafts.flatMap(bothWays);
