import {
  ACTIVATIONS,
  type Activation,
  codeWidth,
  linear,
  PackedWeight,
  packCodes,
  RandomStream,
  TensorOps,
} from '@vq4dit/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createWasmBackend, detectFeatures, type WasmBackend } from '../src/index.ts';

/** Every build that this engine runs, on one thread and on three. */
const devices: { one: TensorOps; three: TensorOps }[] = [];
beforeAll(async () => {
  for (const relaxed of detectFeatures().relaxed ? [false, true] : [false]) {
    const start = async (threads: number) =>
      new TensorOps((await createWasmBackend({ threads, relaxed })) as WasmBackend);
    devices.push({ one: await start(1), three: await start(3) });
  }
});
afterAll(async () => {
  for (const { one, three } of devices) {
    await one.backend.close();
    await three.backend.close();
  }
});

const normal = (stream: RandomStream, count: number) => stream.fillNormal(new Float32Array(count));

/** The unit roundoff of float32. */
const U = 2 ** -24;

/** a [m, k] (or its transpose) by b [k, n], and the sums of |a| |b|, in float64. */
function product(
  a: Float32Array,
  b: Float32Array,
  [m, k, n]: readonly [number, number, number],
  transposeA: boolean,
  transposeB: boolean,
) {
  const [sums, sizes] = [new Float64Array(m * n), new Float64Array(m * n)];
  for (let i = 0; i < m; i++) {
    for (let j = 0; j < n; j++) {
      for (let p = 0; p < k; p++) {
        const x = a[transposeA ? p * m + i : i * k + p]! * b[transposeB ? j * k + p : p * n + j]!;
        sums[i * n + j]! += x;
        sizes[i * n + j]! += Math.abs(x);
      }
    }
  }
  return { sums, sizes };
}

describe('matmul', () => {
  it('multiplies matrices of any shape, transposed or not, alike on any number of threads', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.tuple(
          fc.integer({ min: 1, max: 70 }),
          fc.oneof(fc.integer({ min: 1, max: 40 }), fc.constantFrom(383, 385, 800)),
          fc.integer({ min: 1, max: 70 }),
        ),
        fc.integer({ min: 1, max: 3 }),
        fc.boolean(),
        fc.boolean(),
        fc.nat(),
        async ([m, k, n], batch, transposeA, transposeB, seed) => {
          const stream = new RandomStream(seed);
          const [a, b] = [normal(stream, batch * m * k), normal(stream, batch * k * n)];
          for (const { one, three } of devices) {
            const run = (ops: TensorOps) =>
              ops.scope((s) =>
                s.read(
                  s.matmul(
                    s.tensor(a, [batch, ...(transposeA ? [k, m] : [m, k])]),
                    s.tensor(b, [batch, ...(transposeB ? [n, k] : [k, n])]),
                    { transposeA, transposeB },
                  ),
                ),
              );
            const got = await run(one);
            expect(await run(three)).toEqual(got);
            for (let i = 0; i < batch; i++) {
              const { sums, sizes } = product(
                a.subarray(i * m * k, (i + 1) * m * k),
                b.subarray(i * k * n, (i + 1) * k * n),
                [m, k, n],
                transposeA,
                transposeB,
              );
              // k products and k sums, each rounded: at most (k + 1) roundoffs of sum |a| |b|.
              sums.forEach((want, j) => {
                const error = Math.abs(got[i * m * n + j]! - want);
                expect(error).toBeLessThanOrEqual((k + 1) * U * sizes[j]! + 1e-38);
              });
            }
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});

describe('linear', () => {
  const activate = (x: number, activation: Activation) => {
    if (activation === 'silu') return x / (1 + Math.exp(-x));
    if (activation === 'gelu') {
      return x / (1 + Math.exp(-2 * Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));
    }
    return x;
  };

  it('gives what the formula gives, packed the very bits of dense, on any number of threads', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({
          images: fc.integer({ min: 1, max: 3 }),
          tokens: fc.oneof(fc.constantFrom(1, 2), fc.integer({ min: 1, max: 30 })),
          groups: fc.integer({ min: 1, max: 2 }),
          rowsPerGroup: fc.integer({ min: 1, max: 40 }),
          d: fc.integer({ min: 1, max: 9 }),
          perRow: fc.oneof(fc.integer({ min: 1, max: 12 }), fc.constantFrom(97, 200)),
          codewords: fc.constantFrom(1, 2, 7, 64, 256, 300, 4096),
          activation: fc.constantFrom(...ACTIVATIONS),
          hasBias: fc.boolean(),
          isGated: fc.boolean(),
          seed: fc.nat(),
        }),
        async ({ images, tokens, groups, rowsPerGroup, d, perRow, codewords, ...rest }) => {
          const stream = new RandomStream(rest.seed);
          const [m, n, k] = [images * tokens, groups * rowsPerGroup, perRow * d];
          const codes = Uint16Array.from({ length: n * perRow }, () => stream.integer(codewords));
          const codebook = normal(stream, groups * codewords * d);
          const w = new Float32Array(n * k);
          codes.forEach((code, i) => {
            const word = Math.floor(i / (rowsPerGroup * perRow)) * codewords + code;
            w.set(codebook.subarray(word * d, (word + 1) * d), i * d);
          });
          const [x, bias] = [normal(stream, m * k), normal(stream, n)];
          const [gate, residual] = [normal(stream, images * n), normal(stream, m * n)];
          const packedCodes = packCodes(codes, codeWidth(codewords));
          const size = { rows: n, columns: k, groups, k: codewords, d };
          const parts = { name: 'layer', ...size, codes: packedCodes, codebook };
          const { sums, sizes } = product(x, w, [m, k, n], false, true);
          for (const { one, three } of devices) {
            const run = (ops: TensorOps, isPacked: boolean) =>
              ops.scope(async (s) => {
                const weight = isPacked ? PackedWeight.upload(s, parts) : s.tensor(w, [n, k]);
                return s.read(
                  linear(s, s.tensor(x, [images, tokens, k]), weight, {
                    ...(rest.hasBias && { bias: s.tensor(bias, [n]) }),
                    activation: rest.activation,
                    ...(rest.isGated && {
                      gated: {
                        gate: s.tensor(gate, [images, n]),
                        residual: s.tensor(residual, [images, tokens, n]),
                      },
                    }),
                  }),
                );
              });
            const got = await run(one, false);
            expect(await run(three, false)).toEqual(got);
            expect(await run(one, true)).toEqual(got);
            expect(await run(three, true)).toEqual(got);
            got.forEach((value, at) => {
              const [i, j] = [Math.floor(at / n), at % n];
              const before = sums[at]! + (rest.hasBias ? bias[j]! : 0);
              let want = activate(before, rest.activation);
              let scale = Math.abs(want);
              // The slope of the activations stays below 1.13.
              let error = 1.13 * U * ((k + 2) * sizes[at]! + 2 * Math.abs(bias[j]!));
              if (rest.isGated) {
                const g = gate[Math.floor(i / tokens) * n + j]!;
                error *= Math.abs(g);
                want = residual[at]! + g * want;
                scale = Math.abs(g) * scale + Math.abs(residual[at]!);
              }
              // GELU and SiLU are good to a few units in the last place: 8 U of the result's terms.
              expect(Math.abs(value - want)).toBeLessThanOrEqual(error + 8 * U * scale + 1e-38);
            });
          }
        },
      ),
      { numRuns: 60 },
    );
  });
});
