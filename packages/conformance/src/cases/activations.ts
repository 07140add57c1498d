import { gelu, geluGradOp, type Shape, silu, siluGradOp } from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor, shapes } from '../arbitraries.ts';
import { equal, scaled } from '../comparators.ts';
import { bothWays, type Draft } from '../composed-case.ts';
import { floats, gaussian, type HostTensor, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';
import { GATES, gateSlope, slopes } from './gates.ts';

type Name = keyof typeof GATES;

const FUNCTIONS = { gelu, silu };
const GRADIENTS = { gelu: geluGradOp, silu: siluGradOp };

export function activationTrial(name: Name, x: HostTensor): Trial {
  const gate = GATES[name];
  return {
    description: `${name} of [${[...x.data.slice(0, 8)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [FUNCTIONS[name](ops, t!)],
    expected() {
      const values = Float64Array.from(x.data, gate.value);
      const magnitude = Float64Array.from(x.data, gate.magnitude);
      return [{ shape: x.shape, dtype: 'float32', values, compare: scaled(magnitude, 8) }];
    },
  };
}

export function activationGradTrial(name: Name, x: HostTensor, grad: HostTensor): Trial {
  const gate = GATES[name];
  return {
    description: `${name}Grad of [${[...x.data.slice(0, 8)].join(', ')}] and [${[...grad.data.slice(0, 8)].join(', ')}]`,
    inputs: [x, grad],
    run: (ops, inputs) => ops.composed(GRADIENTS[name], inputs, undefined),
    expected() {
      const values = Float64Array.from(x.data, (v, i) => gateSlope(gate, v) * grad.data[i]!);
      const compare = slopes(gate, x.data, grad.data);
      return [{ shape: x.shape, dtype: 'float32', values, compare }];
    },
  };
}

const ELEMENTWISE: readonly Shape[] = [[], [1], [7], [17, 33], [2, 3, 4, 5]];

/** Every region: both tails, the bend, around zero. The forms of GELU differ most near |x| = 2. */
const sweep = () => floats([241], (i) => (i - 120) / 10);

/** The gate of GELU is denormal below -10, and products with what is lost there are another matter. */
const GRAD_BOUND = 9;

const valueDrafts = (name: Name): Draft[] => [
  ...ELEMENTWISE.map(
    (shape): Draft => ({
      op: name,
      id: caseId(name, { shape }),
      trial: (rng) => activationTrial(name, uniform(rng, shape, -5, 5)),
    }),
  ),
  { op: name, id: `${name}(sweep)`, trial: () => activationTrial(name, sweep()) },
  {
    op: name,
    id: `${name}(property)`,
    trials: shapes(3, 40)
      .chain((shape) => floatTensor(shape, finite(-12, 12)))
      .map((x) => activationTrial(name, x)),
  },
];

const gradDrafts = (name: Name): Draft[] => {
  const op = `${name}Grad` as const;
  return [
    {
      op,
      id: `${op}(known)`,
      // At 0 both have slope sigmoid(0).
      trial: () => ({
        inputs: [floats([2], [0, 0]), floats([2], [4, -6])],
        run: (ops, inputs) => ops.composed(GRADIENTS[name], inputs, undefined),
        expected: () => [
          { shape: [2], dtype: 'float32', values: Float64Array.of(2, -3), compare: equal },
        ],
      }),
    },
    ...ELEMENTWISE.map(
      (shape): Draft => ({
        op,
        id: caseId(op, { shape }),
        trial: (rng) => activationGradTrial(name, uniform(rng, shape, -5, 5), gaussian(rng, shape)),
      }),
    ),
    {
      op,
      id: `${op}(sweep)`,
      trial: (rng) =>
        activationGradTrial(
          name,
          floats([241], (i) => (GRAD_BOUND * (i - 120)) / 120),
          gaussian(rng, [241]),
        ),
    },
    {
      op,
      id: `${op}(property)`,
      trials: shapes(3, 40).chain((shape) =>
        fc
          .tuple(
            floatTensor(shape, finite(-GRAD_BOUND, GRAD_BOUND)),
            floatTensor(shape, finite(-8, 8)),
          )
          .map(([x, grad]) => activationGradTrial(name, x, grad)),
      ),
    },
  ];
};

const drafts = (['gelu', 'silu'] as const).flatMap((name) => [
  ...valueDrafts(name),
  ...gradDrafts(name),
]);

export const activationCases: readonly OpCase[] = drafts.flatMap(bothWays);
