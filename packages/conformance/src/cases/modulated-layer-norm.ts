import { modulatedLayerNorm, modulatedLayerNormGradOp, type Shape } from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor } from '../arbitraries.ts';
import { type DataClass, scaled, sumFactor } from '../comparators.ts';
import { bothWays, type Draft } from '../composed-case.ts';
import { floats, gaussian, type HostTensor } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';

type Dimensions = readonly [images: number, tokens: number, width: number];

const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;

/** Row r of x normalized in float64, with the magnitudes of layerNorm's rounding (in 16 u). */
function normalized(x: HostTensor, row: number, epsilon: number) {
  const n = x.shape[2]!;
  const values = Array.from(x.data.subarray(row * n, (row + 1) * n));
  const centre = mean(values);
  const inverse = 1 / Math.sqrt(mean(values.map((v) => (v - centre) ** 2)) + epsilon);
  const y = values.map((v) => (v - centre) * inverse);
  const size = mean(values.map(Math.abs)) * inverse;
  return {
    y,
    inverse,
    /** Of 1 / sqrt(variance + epsilon), relative to itself. */
    ofInverse: 1 + size,
    ofY: y.map((v, i) => Math.abs(values[i]!) * inverse + size + Math.abs(v) * (1 + size)),
  };
}

export function modulatedLayerNormTrial(
  x: HostTensor,
  shift: HostTensor,
  scale: HostTensor,
  epsilon: number,
): Trial {
  const [images, tokens, n] = x.shape as Dimensions;
  return {
    description: `modulatedLayerNorm of ${x.shape.join('x')} [${[...x.data].join(', ')}], shift [${[...shift.data].join(', ')}], scale [${[...scale.data].join(', ')}]`,
    inputs: [x, shift, scale],
    run: (ops, [t, a, b]) => [modulatedLayerNorm(ops, t!, a!, b!, epsilon)],
    expected() {
      const values = new Float64Array(x.data.length);
      const magnitude = new Float64Array(x.data.length);
      for (let row = 0; row < images * tokens; row++) {
        const { y, ofY } = normalized(x, row, epsilon);
        for (let i = 0; i < n; i++) {
          const at = Math.floor(row / tokens) * n + i;
          const factor = 1 + scale.data[at]!;
          values[row * n + i] = y[i]! * factor + shift.data[at]!;
          magnitude[row * n + i] =
            (ofY[i]! + Math.abs(y[i]!)) * Math.abs(factor) + Math.abs(shift.data[at]!);
        }
      }
      return [{ shape: x.shape, dtype: 'float32', values, compare: scaled(magnitude, 16) }];
    },
  };
}

/**
 * With y the normalized row, g the gradient, h = g (1 + scale): x gets (h - mean(h) - y mean(h y)) /
 * sqrt(variance + epsilon), shift the sum of g over tokens and scale that of g y. Magnitudes add up
 * what each factor and each sum may be off.
 */
export function modulatedLayerNormGradTrial(
  x: HostTensor,
  scale: HostTensor,
  grad: HostTensor,
  epsilon: number,
  data: DataClass,
): Trial {
  const [images, tokens, n] = x.shape as Dimensions;
  return {
    description: `modulatedLayerNormGrad of ${x.shape.join('x')} [${[...x.data].join(', ')}], scale [${[...scale.data].join(', ')}], grad [${[...grad.data].join(', ')}]`,
    inputs: [x, scale, grad],
    run: (ops, inputs) => ops.composed(modulatedLayerNormGradOp, inputs, { epsilon }),
    expected() {
      const ofX = new Float64Array(x.data.length);
      const sizeOfX = new Float64Array(x.data.length);
      const [ofShift, sizeOfShift, ofScale, sizeOfScale] = [0, 0, 0, 0].map(
        () => new Float64Array(images * n),
      ) as [Float64Array, Float64Array, Float64Array, Float64Array];
      const [overRow, overTokens] = [sumFactor(data, n), sumFactor(data, tokens)];
      for (let row = 0; row < images * tokens; row++) {
        const { y, ofY, inverse, ofInverse } = normalized(x, row, epsilon);
        const first = Math.floor(row / tokens) * n;
        const g = Array.from(grad.data.subarray(row * n, (row + 1) * n));
        const h = g.map((v, i) => v * (1 + scale.data[first + i]!));
        const meanH = mean(h);
        const meanHy = mean(h.map((v, i) => v * y[i]!));
        const ofMeanH = overRow * mean(h.map(Math.abs));
        const ofMeanHy = mean(
          h.map((v, i) => Math.abs(v) * (overRow * Math.abs(y[i]!) + 16 * ofY[i]!)),
        );
        for (let i = 0; i < n; i++) {
          const [gi, yi, hi] = [g[i]!, y[i]!, h[i]!];
          const result = (hi - meanH - yi * meanHy) * inverse;
          const terms = Math.abs(hi) + Math.abs(meanH) + Math.abs(yi * meanHy);
          const ofTerms = ofMeanH + Math.abs(yi) * ofMeanHy + 16 * ofY[i]! * Math.abs(meanHy);
          ofX[row * n + i] = result;
          sizeOfX[row * n + i] =
            (4 * terms + ofTerms) * inverse + 16 * ofInverse * Math.abs(result);
          ofShift[first + i]! += gi;
          sizeOfShift[first + i]! += overTokens * Math.abs(gi);
          ofScale[first + i]! += gi * yi;
          sizeOfScale[first + i]! += Math.abs(gi) * (overTokens * Math.abs(yi) + 16 * ofY[i]!);
        }
      }
      const { shape } = scale;
      return [
        { shape: x.shape, dtype: 'float32', values: ofX, compare: scaled(sizeOfX, 1) },
        { shape, dtype: 'float32', values: ofShift, compare: scaled(sizeOfShift, 1) },
        { shape, dtype: 'float32', values: ofScale, compare: scaled(sizeOfScale, 1) },
      ];
    },
  };
}

/** Around vectors of 4, blocks of tokens, and the widths of real models. */
const SHAPES: readonly Dimensions[] = [
  [1, 1, 1],
  [2, 3, 5],
  [1, 7, 16],
  [3, 2, 17],
  [2, 65, 3],
  [2, 200, 4],
  [4, 1, 33],
  [2, 3, 192],
  [1, 2, 1152],
];

const perImage = ([images, , n]: Dimensions): Shape => [images, n];

const dimensions = fc.tuple(
  fc.integer({ min: 1, max: 3 }),
  fc.integer({ min: 1, max: 5 }),
  fc.integer({ min: 1, max: 9 }),
);

const valueDrafts: Draft[] = [
  {
    op: 'modulatedLayerNorm',
    id: 'modulatedLayerNorm(known)',
    // Rows of mean 3 and an epsilon that makes the divisor 2, so y is -1, 0, 1 in both images.
    trial: () => ({
      inputs: [
        floats([2, 1, 3], [1, 3, 5, 1, 3, 5]),
        floats([2, 3], [10, 20, 30, 0, 0, 0]),
        floats([2, 3], [0, 0, 1, 2, 5, -1]),
      ],
      run: (ops, [x, shift, scale]) => [modulatedLayerNorm(ops, x!, shift!, scale!, 4 - 8 / 3)],
      expected: () => [
        {
          shape: [2, 1, 3],
          dtype: 'float32',
          values: Float64Array.of(9, 20, 32, -3, 0, 0),
          compare: scaled([10, 20, 32, 3, 3, 3], 8),
        },
      ],
    }),
  },
  ...SHAPES.map(
    (shape): Draft => ({
      op: 'modulatedLayerNorm',
      id: caseId('modulatedLayerNorm', { shape }),
      trial: (rng) => {
        const [shift, scale] = [gaussian(rng, perImage(shape)), gaussian(rng, perImage(shape))];
        return modulatedLayerNormTrial(gaussian(rng, shape), shift, scale, 1e-6);
      },
    }),
  ),
  {
    op: 'modulatedLayerNorm',
    id: 'modulatedLayerNorm(offset)',
    trial: (rng) =>
      modulatedLayerNormTrial(
        floats([2, 3, 64], () => 300 + rng.normal()),
        gaussian(rng, [2, 64]),
        gaussian(rng, [2, 64]),
        1e-6,
      ),
  },
  {
    op: 'modulatedLayerNorm',
    id: 'modulatedLayerNorm(property)',
    trials: dimensions.chain((shape) =>
      fc
        .tuple(
          floatTensor(shape, finite(-20, 20)),
          floatTensor(perImage(shape), finite(-8, 8)),
          floatTensor(perImage(shape), finite(-8, 8)),
        )
        .map(([x, shift, scale]) => modulatedLayerNormTrial(x, shift, scale, 1e-2)),
    ),
  },
];

const gradDrafts: Draft[] = [
  {
    op: 'modulatedLayerNormGrad',
    id: 'modulatedLayerNormGrad(known)',
    // y is -1, 0, 1 and the divisor 2 as above. h = (6, 0, 0): mean 2, mean of h y -2, so x gets
    // (6 - 2 - 2, -2, -2 + 2) / 2. The second token has no gradient.
    trial: () => ({
      inputs: [
        floats([1, 2, 3], [1, 3, 5, 1, 3, 5]),
        floats([1, 3], [1, 7, 9]),
        floats([1, 2, 3], [3, 0, 0, 0, 0, 0]),
      ],
      run: (ops, inputs) => ops.composed(modulatedLayerNormGradOp, inputs, { epsilon: 4 - 8 / 3 }),
      expected: () => [
        {
          shape: [1, 2, 3],
          dtype: 'float32',
          values: Float64Array.of(1, -1, 0, 0, 0, 0),
          compare: scaled([4, 4, 4, 1, 1, 1], 16),
        },
        {
          shape: [1, 3],
          dtype: 'float32',
          values: Float64Array.of(3, 0, 0),
          compare: scaled([3, 1, 1], 8),
        },
        {
          shape: [1, 3],
          dtype: 'float32',
          values: Float64Array.of(-3, 0, 0),
          compare: scaled([3, 1, 1], 8),
        },
      ],
    }),
  },
  ...SHAPES.map(
    (shape): Draft => ({
      op: 'modulatedLayerNormGrad',
      id: caseId('modulatedLayerNormGrad', { shape }),
      trial: (rng) => {
        const scale = gaussian(rng, perImage(shape));
        return modulatedLayerNormGradTrial(
          gaussian(rng, shape),
          scale,
          gaussian(rng, shape),
          1e-6,
          'gaussian',
        );
      },
    }),
  ),
  {
    op: 'modulatedLayerNormGrad',
    id: 'modulatedLayerNormGrad(property)',
    trials: dimensions.chain((shape) =>
      fc
        .tuple(
          floatTensor(shape, finite(-20, 20)),
          floatTensor(perImage(shape), finite(-8, 8)),
          floatTensor(shape, finite(-8, 8)),
        )
        .map(([x, scale, grad]) => modulatedLayerNormGradTrial(x, scale, grad, 1e-2, 'arbitrary')),
    ),
  },
];

export const modulatedLayerNormCases: readonly OpCase[] = [...valueDrafts, ...gradDrafts].flatMap(
  bothWays,
);
