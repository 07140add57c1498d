import { describe, expect, it } from 'vitest';
import { useAllDevices } from './support/all-devices.ts';
import { integers, normal } from './support/devices.ts';

const devices = useAllDevices();

const SIZES = [
  { rows: 1, n: 1, d: 1, k: 1 },
  { rows: 9, n: 3, d: 3, k: 5 },
  { rows: 5000, n: 2, d: 4, k: 256 },
  { rows: 4200, n: 4, d: 2, k: 64 },
  { rows: 4100, n: 2, d: 8, k: 16 },
  { rows: 300, n: 5, d: 7, k: 9 },
] as const;

function problem({ rows, n, d, k }: (typeof SIZES)[number]) {
  const candidates = integers([rows, n], k, 3);
  return {
    codebook: normal([k, d], 1),
    candidates,
    ratios: normal([rows, n], 2),
    grad: normal([rows, d], 4),
    codewordOf: (i: number, j: number) => candidates.data[i * n + j]!,
  };
}

/** n products and sums in float32, or sums in float64 rounded once: n + 1 roundings of the terms. */
function close(got: number, want: number, size: number, n: number): void {
  const allowed = (n + 1) * 2 ** -24 * size + 1e-45;
  if (!(Math.abs(got - want) <= allowed)) expect.fail(`${got}, not ${want} within ${allowed}`);
}

describe('softReconstruct', () => {
  it('mixes candidate codewords', () => {
    for (const size of SIZES) {
      const { rows, n, d } = size;
      const { codebook, candidates, ratios, codewordOf } = problem(size);
      const [got] = devices.run(
        ({ fused }, [c, a, r]) => [
          { handle: fused!.softReconstruct!(c!, a!, r!), shape: [rows, d], dtype: 'float32' },
        ],
        [codebook, candidates, ratios],
      );
      for (let i = 0; i < rows; i++) {
        for (let a = 0; a < d; a++) {
          const terms = Array.from(
            { length: n },
            (_, j) => ratios.data[i * n + j]! * codebook.data[codewordOf(i, j) * d + a]!,
          );
          const sum = terms.reduce((x, y) => x + y, 0);
          close(
            got![i * d + a]!,
            sum,
            terms.reduce((x, y) => x + Math.abs(y), 0),
            n,
          );
        }
      }
    }
  });
});

describe('softReconstructGrad', () => {
  it('gives the gradients of both factors', () => {
    for (const size of SIZES) {
      const { rows, n, d, k } = size;
      const { codebook, candidates, ratios, grad, codewordOf } = problem(size);
      const [codebookGrad, ratiosGrad] = devices.run(
        ({ fused }, [c, a, r, g]) => {
          const out = fused!.softReconstructGrad!(c!, a!, r!, g!);
          return [
            { handle: out.codebook, shape: [k, d], dtype: 'float32' },
            { handle: out.ratios, shape: [rows, n], dtype: 'float32' },
          ];
        },
        [codebook, candidates, ratios, grad],
      );
      const want = new Float64Array(k * d);
      const sizes = new Float64Array(k * d);
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < n; j++) {
          const at = codewordOf(i, j) * d;
          let dot = 0;
          let dotSize = 0;
          for (let a = 0; a < d; a++) {
            const product = grad.data[i * d + a]! * codebook.data[at + a]!;
            dot += product;
            dotSize += Math.abs(product);
            const term = grad.data[i * d + a]! * ratios.data[i * n + j]!;
            want[at + a]! += term;
            sizes[at + a]! += Math.abs(term);
          }
          close(ratiosGrad![i * n + j]!, dot, dotSize, 0);
        }
      }
      for (let i = 0; i < k * d; i++) close(codebookGrad![i]!, want[i]!, sizes[i]!, 0);
    }
  });
});
