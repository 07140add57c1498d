import { createReferenceBackend } from '@vq4dit/backend-reference';
import {
  adamwStep,
  codeWidth,
  geluGradOp,
  linear,
  lloydStep,
  modulatedLayerNorm,
  PackedWeight,
  packCodes,
  RandomStream,
  selfAttention,
  type Tensor,
  TensorOps,
} from '@vq4dit/core';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createHeadlessGpujsBackend } from '../src/index.ts';
import { whereHeadlessGlRuns } from './support/native.ts';

whereHeadlessGlRuns('fused kernels of gpujs-headlessgl', () => {
  let ops: TensorOps;
  const reference = new TensorOps(createReferenceBackend());

  beforeAll(async () => {
    ops = new TensorOps(await createHeadlessGpujsBackend());
  });
  afterAll(() => ops.backend.close());

  type Compute = (s: TensorOps) => Tensor | readonly Tensor[];

  /** The reference composes in float64 what the kernel does in float32. */
  async function agrees(compute: Compute, tolerance: number): Promise<void> {
    const before = ops.backend.liveBuffers!();
    const run = (on: TensorOps) =>
      on.scope(async (s) => {
        const outputs = [compute(s)].flat() as Tensor[];
        return Promise.all(
          outputs.map(async (x) => [
            ...(await (x.dtype === 'int32' ? s.readIndices(x) : s.read(x))),
          ]),
        );
      });
    const [got, want] = [await run(ops), await run(reference)];
    for (const [i, values] of got.entries()) {
      const scale = want[i]!.reduce((most, v) => Math.max(most, Math.abs(v)), 1);
      const worst = values.reduce((most, v, j) => Math.max(most, Math.abs(v - want[i]![j]!)), 0);
      expect(worst / scale).toBeLessThan(tolerance);
    }
    expect(ops.backend.liveBuffers!()).toBe(before);
  }

  /** Normal numbers, the same on either side. */
  const normal = (name: string, ...shape: number[]) => {
    const size = shape.reduce((a, b) => a * b, 1);
    const rng = new RandomStream(1, name);
    const values = Float32Array.from({ length: size }, () => rng.normal());
    return (s: TensorOps) => s.tensor(values, shape);
  };
  const size = (max: number) => fc.integer({ min: 1, max });

  // Sums of up to 20 products of normal numbers: 20 roundings of 2^-24 of terms below 20.
  const SUMS = 20 * 2 ** -20;

  it('multiplies by a weight, then adds, bends, gates', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ images: size(3), tokens: size(5), input: size(20), output: size(13) }),
        fc.constantFrom('none', 'gelu', 'silu'),
        fc.boolean(),
        fc.boolean(),
        async ({ images, tokens, input, output }, activation, hasBias, isGated) => {
          const rows = images * tokens;
          const x = normal('x', rows, input);
          const weight = normal('weight', output, input);
          const bias = normal('bias', output);
          const gate = normal('gate', images, output);
          const residual = normal('residual', rows, output);
          await agrees(
            (s) =>
              linear(s, x(s), weight(s), {
                activation: activation as 'none' | 'gelu' | 'silu',
                ...(hasBias && { bias: bias(s) }),
                ...(isGated && { gated: { gate: gate(s), residual: residual(s) } }),
              }),
            SUMS,
          );
        },
      ),
      { numRuns: 60 },
    );
  });

  it('multiplies by packed weights of every code width', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.record({ m: size(3), groups: size(3), perGroup: size(4), d: size(5), vectors: size(6) }),
        fc.constantFrom(1, 2, 3, 4, 6, 7, 8, 11, 16),
        async ({ m, groups, perGroup, d, vectors }, width) => {
          const k = width === 16 ? 40_000 : 2 ** width - (width > 2 ? 1 : 0);
          expect(codeWidth(k)).toBe(width);
          const [rows, columns] = [groups * perGroup, vectors * d];
          const rng = new RandomStream(2, `codes ${width}`);
          const codes = Uint16Array.from({ length: rows * vectors }, () => rng.integer(k));
          const codebook = Float32Array.from({ length: groups * k * d }, () => rng.normal());
          const parts = { name: 'w', rows, columns, groups, k, d };
          const packed = packCodes(codes, width);
          const x = normal('x', m, columns);
          const compute = (s: TensorOps) => {
            const weight = PackedWeight.upload(s, { ...parts, codes: packed, codebook });
            return linear(s, x(s), weight);
          };
          await agrees(compute, 2 * SUMS);
        },
      ),
      { numRuns: 40 },
    );
  });

  it('attends, whatever the width of a head and the number of tokens', async () => {
    await fc.assert(
      fc.asyncProperty(size(2), size(11), size(3), size(9), async (n, tokens, heads, head) => {
        const qkv = normal('qkv', n, tokens, 3 * heads * head);
        await agrees((s) => selfAttention(s, qkv(s), heads), SUMS);
      }),
      { numRuns: 60 },
    );
  });

  it('attends where scores are far below zero', async () => {
    const far = (s: TensorOps) => {
      const qkv = normal('far', 1, 5, 12)(s);
      return selfAttention(s, s.mul(qkv, s.scalar(30)), 1);
    };
    // Scores near 30^2 * 2: their own rounding is 2^-24 of that, and so is that of their exponential.
    await agrees(far, 2000 * 2 ** -22);
  });

  it('modulates normed tokens', async () => {
    await fc.assert(
      fc.asyncProperty(size(3), size(5), fc.integer({ min: 2, max: 13 }), async (n, t, d) => {
        const x = normal('x', n, t, d);
        const [shift, scale] = [normal('shift', n, d), normal('scale', n, d)];
        await agrees((s) => modulatedLayerNorm(s, x(s), shift(s), scale(s), 1e-3), SUMS);
      }),
      { numRuns: 40 },
    );
  });

  it('gives the gradients of activations', async () => {
    for (const shape of [[1], [7], [3, 8]]) {
      const [x, grad] = [normal('x', ...shape), normal('grad', ...shape)];
      await agrees((s) => s.composed(geluGradOp, [x(s), grad(s)], undefined), SUMS);
    }
  });

  it('steps as AdamW does', async () => {
    const inputs = ['value', 'grad', 'mean', 'square'].map((name) => normal(name, 3, 7));
    const constants = { learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8 };
    await agrees((s) => {
      const [value, grad, mean, square] = inputs.map((x) => x(s));
      const out = adamwStep(s, value!, grad!, mean!, s.abs(square!), {
        ...constants,
        weightDecay: 0.01,
        step: 3,
      });
      return [out.value, out.mean, out.square];
    }, SUMS);
  });

  it('sums the rows of each codeword', async () => {
    const [x, codebook] = [normal('rows', 300, 3), normal('words', 17, 3)];
    await agrees((s) => {
      const { indices, sums, counts } = lloydStep(s, x(s), codebook(s));
      return [indices, sums, counts];
    }, SUMS);
  });

  describe('scatter', () => {
    it.each([
      [5000, 4, 3],
      [20_000, 3, 2],
      [9, 8, 4000],
    ])('adds %i rows of %i to %i', async (count, d, rows) => {
      const rng = new RandomStream(3, 'indices');
      const indices = Int32Array.from({ length: count }, () => rng.integer(rows));
      const updates = Float32Array.from({ length: count * d }, () => rng.integer(9) - 4);
      // Integers: exact in any order of addition.
      await agrees(
        (s) => s.scatterAddRows(s.tensor(updates, [count, d]), s.indices(indices, [count]), rows),
        2 ** -30,
      );
    });
  });
});
