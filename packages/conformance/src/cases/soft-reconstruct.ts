import { type RandomStream, softReconstruct, softReconstructGradOp } from '@vq4dit/core';
import fc from 'fast-check';
import { finite, floatTensor, indexTensor } from '../arbitraries.ts';
import { type DataClass, equal, scaled, sumFactor } from '../comparators.ts';
import { bothWays, type Draft } from '../composed-case.ts';
import { floats, gaussian, type HostTensor, ints, rowIndices, uniform } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';

interface SoftInputs {
  readonly codebook: HostTensor;
  readonly candidates: HostTensor;
  readonly ratios: HostTensor;
}

export function softReconstructTrial({ codebook, candidates, ratios }: SoftInputs): Trial {
  const [rows, n] = candidates.shape as [number, number];
  const d = codebook.shape[1]!;
  return {
    description: `softReconstruct of ${codebook.shape.join('x')} by ${rows}x${n}`,
    inputs: [codebook, candidates, ratios],
    run: (ops, [c, a, r]) => [softReconstruct(ops, c!, a!, r!)],
    expected() {
      const values = new Float64Array(rows * d);
      const magnitude = new Float64Array(rows * d);
      for (let i = 0; i < rows * n; i++) {
        for (let j = 0; j < d; j++) {
          const term = ratios.data[i]! * codebook.data[candidates.data[i]! * d + j]!;
          values[Math.floor(i / n) * d + j]! += term;
          magnitude[Math.floor(i / n) * d + j]! += Math.abs(term);
        }
      }
      const compare = scaled(magnitude, sumFactor('arbitrary', n));
      return [{ shape: [rows, d], dtype: 'float32', values, compare }];
    },
  };
}

export function softReconstructGradTrial(
  { codebook, candidates, ratios }: SoftInputs,
  grad: HostTensor,
  data: DataClass = 'arbitrary',
): Trial {
  const [rows, n] = candidates.shape as [number, number];
  const [k, d] = codebook.shape as [number, number];
  return {
    description: `softReconstructGrad of ${codebook.shape.join('x')} by ${rows}x${n}`,
    inputs: [codebook, candidates, ratios, grad],
    run: (ops, inputs) => ops.composed(softReconstructGradOp, inputs, undefined),
    expected() {
      const codebookGrad = new Float64Array(k * d);
      const codebookSize = new Float64Array(k * d);
      const ratiosGrad = new Float64Array(rows * n);
      const ratiosSize = new Float64Array(rows * n);
      const uses = new Float64Array(k);
      for (let i = 0; i < rows * n; i++) {
        const codeword = candidates.data[i]!;
        uses[codeword]!++;
        for (let j = 0; j < d; j++) {
          const g = grad.data[Math.floor(i / n) * d + j]!;
          codebookGrad[codeword * d + j]! += ratios.data[i]! * g;
          codebookSize[codeword * d + j]! += Math.abs(ratios.data[i]! * g);
          ratiosGrad[i]! += codebook.data[codeword * d + j]! * g;
          ratiosSize[i]! += Math.abs(codebook.data[codeword * d + j]! * g);
        }
      }
      const forCodebook = sumFactor(data, Math.max(...uses));
      return [
        {
          shape: [k, d],
          dtype: 'float32',
          values: codebookGrad,
          compare: scaled(codebookSize, forCodebook),
        },
        {
          shape: [rows, n],
          dtype: 'float32',
          values: ratiosGrad,
          compare: scaled(ratiosSize, sumFactor('arbitrary', d)),
        },
      ];
    },
  };
}

const SOFT_PARAMS = [
  { rows: 1, n: 1, k: 1, d: 1 },
  { rows: 5, n: 2, k: 4, d: 3 },
  { rows: 129, n: 2, k: 256, d: 4 },
  { rows: 63, n: 4, k: 16, d: 2 },
  { rows: 300, n: 3, k: 7, d: 5 },
];

const softDrafts: Draft[] = [
  {
    op: 'softReconstruct',
    id: 'softReconstruct(known)',
    trial: () => ({
      inputs: [
        floats([3, 2], [1, 2, 10, 20, 100, 200]),
        ints([2, 2], [0, 1, 2, 2]),
        floats([2, 2], [0.5, 0.5, 0.25, 0.75]),
      ],
      run: (ops, [c, a, r]) => [softReconstruct(ops, c!, a!, r!)],
      expected: () => [
        {
          shape: [2, 2],
          dtype: 'float32',
          values: Float64Array.of(5.5, 11, 100, 200),
          compare: equal,
        },
      ],
    }),
  },
  {
    op: 'softReconstructGrad',
    id: 'softReconstructGrad(known)',
    trial: () => ({
      inputs: [
        floats([3, 2], [1, 2, 10, 20, 100, 200]),
        ints([2, 2], [0, 1, 1, 1]),
        floats([2, 2], [0.5, 0.5, 0.25, 0.75]),
        floats([2, 2], [2, 4, -8, 0]),
      ],
      run: (ops, inputs) => ops.composed(softReconstructGradOp, inputs, undefined),
      expected: () => [
        {
          shape: [3, 2],
          dtype: 'float32',
          values: Float64Array.of(1, 2, -7, 2, 0, 0),
          compare: equal,
        },
        {
          shape: [2, 2],
          dtype: 'float32',
          values: Float64Array.of(10, 100, -80, -80),
          compare: equal,
        },
      ],
    }),
  },
  ...SOFT_PARAMS.flatMap((p): Draft[] => {
    const inputs = (rng: RandomStream): SoftInputs => ({
      codebook: gaussian(rng, [p.k, p.d]),
      candidates: rowIndices(rng, [p.rows, p.n], p.k),
      ratios: uniform(rng, [p.rows, p.n]),
    });
    return [
      {
        op: 'softReconstruct',
        id: caseId('softReconstruct', p),
        trial: (rng) => softReconstructTrial(inputs(rng)),
      },
      {
        op: 'softReconstructGrad',
        id: caseId('softReconstructGrad', p),
        trial: (rng) => softReconstructGradTrial(inputs(rng), gaussian(rng, [p.rows, p.d])),
      },
    ];
  }),
  ...(['softReconstruct', 'softReconstructGrad'] as const).map(
    (op): Draft => ({
      op,
      id: `${op}(property)`,
      trials: fc
        .record({
          rows: fc.integer({ min: 1, max: 6 }),
          n: fc.integer({ min: 1, max: 4 }),
          k: fc.integer({ min: 1, max: 5 }),
          d: fc.integer({ min: 1, max: 4 }),
        })
        .chain(({ rows, n, k, d }) =>
          fc
            .tuple(
              floatTensor([k, d], finite(-8, 8)),
              indexTensor([rows, n], k),
              floatTensor([rows, n], finite(0, 1)),
              floatTensor([rows, d], finite(-8, 8)),
            )
            .map(([codebook, candidates, ratios, grad]) => {
              const inputs = { codebook, candidates, ratios };
              return op === 'softReconstruct'
                ? softReconstructTrial(inputs)
                : softReconstructGradTrial(inputs, grad);
            }),
        ),
    }),
  ),
];

export const softReconstructCases: readonly OpCase[] = softDrafts.flatMap(bothWays);
