import { gelu, type Shape, silu } from '@vq4dit/core';
import { finite, floatTensor, shapes } from '../arbitraries.ts';
import { scaled } from '../comparators.ts';
import { bothWays, type Draft } from '../composed-case.ts';
import { floats, type HostTensor, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';
import { UNARY_FUNCTIONS } from '../oracle.ts';

const sigmoid = UNARY_FUNCTIONS.sigmoid;

/** x sigmoid(2u). The form with tanh cancels for negative x, so the scale is |x|, not |y|. */
function geluTrial(x: HostTensor): Trial {
  return {
    description: `gelu of [${[...x.data.slice(0, 8)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [gelu(ops, t!)],
    expected() {
      const values = Float64Array.from(
        x.data,
        (v) => 0.5 * v * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (v + 0.044715 * v ** 3))),
      );
      const compare = scaled(x.data.map(Math.abs), 8);
      return [{ shape: x.shape, dtype: 'float32', values, compare }];
    },
  };
}

function siluTrial(x: HostTensor): Trial {
  return {
    description: `silu of [${[...x.data.slice(0, 8)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [silu(ops, t!)],
    expected() {
      const values = Float64Array.from(x.data, (v) => v * sigmoid(v));
      const magnitude = Float64Array.from(
        x.data,
        (v) => Math.abs(v * sigmoid(v)) * (1 + Math.abs(v) * sigmoid(-v)),
      );
      return [{ shape: x.shape, dtype: 'float32', values, compare: scaled(magnitude, 8) }];
    },
  };
}

const ELEMENTWISE: readonly Shape[] = [[], [1], [7], [17, 33], [2, 3, 4, 5]];

const activationDrafts: Draft[] = (
  [
    ['gelu', geluTrial],
    ['silu', siluTrial],
  ] as const
).flatMap(([op, trial]): Draft[] => [
  ...ELEMENTWISE.map(
    (shape): Draft => ({
      op,
      id: caseId(op, { shape }),
      trial: (rng) => trial(uniform(rng, shape, -5, 5)),
    }),
  ),
  // Every region: both tails, the bend, around zero. The forms of GELU differ most near |x| = 2.
  {
    op,
    id: `${op}(sweep)`,
    trial: () => trial(floats([241], (i) => (i - 120) / 10)),
  },
  {
    op,
    id: `${op}(property)`,
    trials: shapes(3, 40)
      .chain((shape) => floatTensor(shape, finite(-12, 12)))
      .map(trial),
  },
]);

export const activationCases: readonly OpCase[] = activationDrafts.flatMap(bothWays);
