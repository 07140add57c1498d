import type { Values } from '@vq4dit/backend-reference';
import type { Backend } from '@vq4dit/core';
import { describe, expect, it } from 'vitest';
import { catches, failed, runOps } from './support/catches.ts';
import { type Fused, type Input, type Mutation, mutant } from './support/mutant.ts';

/** Faults in kernels of SiLU and of the soft reconstruction; without them the same kernels pass. */

type Original = Backend<Values>;

const make = (o: Original, values: ArrayLike<number>, shape: readonly number[]) =>
  o.upload(Float32Array.from(values), shape, 'float32');

const silu =
  (gate: (v: number) => number) =>
  (o: Original): Mutation => ({
    fused: {
      silu: (x) =>
        make(
          o,
          Array.from(x.handle, (v) => v * gate(v)),
          x.shape,
        ),
    },
  });

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));

interface Soft {
  /** Of n candidates, how many are looked at. */
  readonly used?: (n: number) => number;
  /** Adds a gradient to what a codeword has. */
  readonly add?: (old: number, term: number) => number;
  /** What a ratio's gradient is a product with. */
  readonly line?: (candidate: number) => number;
}

/** Both kernels of equation 7, with some of their parts replaced. */
const soft =
  ({ used = (n) => n, add = (old, term) => old + term, line = (c) => c }: Soft) =>
  (o: Original): { fused: Fused } => ({
    fused: {
      softReconstruct(codebook, candidates, ratios) {
        const [rows, n] = candidates.shape as [number, number];
        const d = codebook.shape[1]!;
        const out = new Float64Array(rows * d);
        each(candidates, d, (i, j, at) => {
          if (i % n >= used(n)) return;
          out[Math.floor(i / n) * d + j]! += ratios.handle[i]! * codebook.handle[at]!;
        });
        return make(o, out, [rows, d]);
      },
      softReconstructGrad(codebook, candidates, ratios, grad) {
        const n = candidates.shape[1]!;
        const d = codebook.shape[1]!;
        const ofCodebook = new Float64Array(codebook.handle.length);
        const ofRatios = new Float64Array(ratios.handle.length);
        each(candidates, d, (i, j, at) => {
          const g = grad.handle[Math.floor(i / n) * d + j]!;
          ofCodebook[at] = add(ofCodebook[at]!, ratios.handle[i]! * g);
          ofRatios[i]! += codebook.handle[line(candidates.handle[i]!) * d + j]! * g;
        });
        return {
          codebook: make(o, ofCodebook, codebook.shape),
          ratios: make(o, ofRatios, ratios.shape),
        };
      },
    },
  });

/** Each coordinate j of each candidate i, and where in the codebook it is. */
function each(candidates: Input, d: number, visit: (i: number, j: number, at: number) => void) {
  candidates.handle.forEach((codeword, i) => {
    for (let j = 0; j < d; j++) visit(i, j, codeword * d + j);
  });
}

describe.each([
  ['silu', silu(sigmoid)],
  ['softReconstruct', soft({})],
  ['softReconstructGrad', soft({})],
] as const)('%s', (op, right) => {
  it('passes without a fault', async () => {
    expect(failed(await runOps(mutant(right), [op]))).toEqual(new Map());
  });
});

describe('faults', () => {
  catches(
    'SiLU with a steeper gate',
    ['silu'],
    ['silu(sweep)'],
    silu((v) => sigmoid(1.702 * v)),
  );
  catches(
    'softReconstruct leaves out the last candidate',
    ['softReconstruct'],
    ['softReconstruct(known)', 'softReconstruct(rows=129,n=2,k=256,d=4)'],
    soft({ used: (n) => Math.max(1, n - 1) }),
  );
  catches(
    'softReconstructGrad loses updates of a codeword that is named twice',
    ['softReconstructGrad'],
    ['softReconstructGrad(known)', 'softReconstructGrad(rows=300,n=3,k=7,d=5)'],
    soft({ add: (_, term) => term }),
  );
  catches(
    'softReconstructGrad takes ratios for those of the first codeword',
    ['softReconstructGrad'],
    ['softReconstructGrad(known)', 'softReconstructGrad(rows=63,n=4,k=16,d=2)'],
    soft({ line: () => 0 }),
  );
});
