import {
  ACTIVATIONS,
  type Activation,
  codeWidth,
  linear,
  PackedWeight,
  packCodes,
  RandomStream,
  type TensorOps,
} from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSameBits } from './support/devices.ts';
import { elements, normal, U, usePairs } from './support/products.ts';

const pairs = usePairs();

/** x [images, tokens, perRow d] and a weight [groups rowsPerGroup, perRow d]. */
interface Sizes {
  readonly images: number;
  readonly tokens: number;
  readonly groups: number;
  readonly rowsPerGroup: number;
  readonly d: number;
  readonly perRow: number;
  readonly codewords: number;
}

interface Follows {
  readonly activation: Activation;
  readonly hasBias: boolean;
  readonly isGated: boolean;
}

const NOTHING: Follows = { activation: 'none', hasBias: false, isGated: false };

function makeProblem(sizes: Sizes, seed: number) {
  const { images, tokens, groups, rowsPerGroup, d, perRow, codewords } = sizes;
  const stream = new RandomStream(seed);
  const [m, n, k] = [images * tokens, groups * rowsPerGroup, perRow * d];
  const codes = Uint16Array.from({ length: n * perRow }, () => stream.integer(codewords));
  const codebook = normal(stream, groups * codewords * d);
  const w = new Float32Array(n * k);
  codes.forEach((code, i) => {
    const word = Math.floor(i / (rowsPerGroup * perRow)) * codewords + code;
    w.set(codebook.subarray(word * d, (word + 1) * d), i * d);
  });
  const parts = {
    ...{ name: 'layer', rows: n, columns: k, groups, k: codewords, d, codebook },
    codes: packCodes(codes, codeWidth(codewords)),
  };
  const [x, bias] = [normal(stream, m * k), normal(stream, n)];
  const [gate, residual] = [normal(stream, images * n), normal(stream, m * n)];
  return { ...{ images, tokens, m, n, k, parts, x, w, bias, gate, residual } };
}

type Problem = ReturnType<typeof makeProblem>;

function run(ops: TensorOps, problem: Problem, follows: Follows, isPacked: boolean) {
  const { images, tokens, n, k, parts, x, w, bias, gate, residual } = problem;
  return ops.scope(async (s) => {
    using packed = isPacked ? PackedWeight.upload(s, parts) : undefined;
    const y = linear(s, s.tensor(x, [images, tokens, k]), packed ?? s.tensor(w, [n, k]), {
      ...(follows.hasBias && { bias: s.tensor(bias, [n]) }),
      activation: follows.activation,
      ...(follows.isGated && {
        gated: {
          gate: s.tensor(gate, [images, n]),
          residual: s.tensor(residual, [images, tokens, n]),
        },
      }),
    });
    return (await s.read(y)) as Float32Array;
  });
}

function activate(x: number, activation: Activation): number {
  if (activation === 'silu') return x / (1 + Math.exp(-x));
  if (activation === 'gelu') {
    return x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
  }
  return x;
}

/** Dense against float64; packed and on three threads the very bits of dense on one. */
async function expectRight(sizes: Sizes, follows: Follows, seed: number): Promise<void> {
  const problem = makeProblem(sizes, seed);
  const { m, n, k, tokens, x, w, bias, gate, residual } = problem;
  for (const { one, three } of pairs) {
    const got = await run(one, problem, follows, false);
    expectSameBits(await run(three, problem, follows, false), got);
    expectSameBits(await run(one, problem, follows, true), got);
    expectSameBits(await run(three, problem, follows, true), got);
    const layout = { m, k, n, transposeA: false, transposeB: true };
    for (const { at, i, j, sum, size } of elements(x, w, layout)) {
      let want = activate(sum + (follows.hasBias ? bias[j]! : 0), follows.activation);
      let scale = Math.abs(want);
      // The slope of the activations stays below 1.13.
      let error = 1.13 * U * ((k + 2) * size + 2 * Math.abs(bias[j]!));
      if (follows.isGated) {
        const g = gate[Math.floor(i / tokens) * n + j]!;
        want = residual[at]! + g * want;
        error *= Math.abs(g);
        scale = Math.abs(g) * scale + Math.abs(residual[at]!);
      }
      // GELU and SiLU are good to a few units in the last place: 8 U of the result's terms.
      const off = Math.abs(got[at]! - want);
      if (!(off <= error + 8 * U * scale + 1e-38)) expect.fail(`[${i}, ${j}] is off by ${off}`);
    }
  }
}

describe('linear', () => {
  it('gives what the formula gives, packed the very bits of dense, on any number of threads', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          images: fc.integer({ min: 1, max: 3 }),
          tokens: fc.integer({ min: 1, max: 30 }),
          groups: fc.integer({ min: 1, max: 2 }),
          rowsPerGroup: fc.integer({ min: 1, max: 40 }),
          d: fc.integer({ min: 1, max: 9 }),
          perRow: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(97, 200)),
          codewords: fc.constantFrom(1, 2, 7, 64, 256, 300, 4096),
        }),
        fc.record({
          activation: fc.constantFrom(...ACTIVATIONS),
          hasBias: fc.boolean(),
          isGated: fc.boolean(),
        }),
        fc.nat(),
        expectRight,
      ),
      { numRuns: 60 },
    );
  });

  it('reads codes of every width, in products with few and with many rows', async () => {
    for (let width = 1; width <= 16; width++) {
      for (const d of [1, 2, 4, 8]) {
        const sizes = {
          images: 1,
          groups: 1,
          rowsPerGroup: 9,
          d,
          perRow: 13,
          codewords: 2 ** width,
        };
        await expectRight({ ...sizes, tokens: 3 }, NOTHING, width);
        await expectRight({ ...sizes, tokens: 33 }, NOTHING, width);
      }
    }
  });

  it.each([2, 260])('shares large layers out among threads, %i rows', async (tokens) => {
    // Several passes along k; the epilogue meets two images and the edges of chunks.
    const sizes = { images: 2, tokens, groups: 3, rowsPerGroup: 67, codewords: 256 };
    const follows = { activation: 'gelu', hasBias: true, isGated: true } as const;
    await expectRight({ ...sizes, d: 4, perRow: 101 }, follows, 1);
    await expectRight({ ...sizes, d: 6, perRow: 70 }, follows, 2);
  });
});
