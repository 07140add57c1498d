import { createReferenceBackend } from '@vq4dit/backend-reference';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  ACTIVATIONS,
  codeWidth,
  gelu,
  linear,
  PackedWeight,
  type PackedWeightParts,
  packCodes,
  RandomStream,
  ShapeError,
  silu,
  type Tensor,
  TensorOps,
  withGradients,
} from '../src/index.ts';

const ops = new TensorOps(createReferenceBackend());

const gaussian = (stream: RandomStream, count: number) =>
  Float32Array.from({ length: count }, () => stream.normal());

const packedParts = fc
  .record({
    rowsPerGroup: fc.integer({ min: 1, max: 5 }),
    groups: fc.integer({ min: 1, max: 3 }),
    d: fc.integer({ min: 1, max: 4 }),
    perRow: fc.integer({ min: 1, max: 6 }),
    k: fc.integer({ min: 1, max: 40 }),
    seed: fc.nat(),
  })
  .map(({ rowsPerGroup, groups, d, perRow, k, seed }) => {
    const stream = new RandomStream(seed);
    const rows = rowsPerGroup * groups;
    const codes = Uint16Array.from({ length: rows * perRow }, () => stream.integer(k));
    const codebook = gaussian(stream, groups * k * d);
    const parts: PackedWeightParts = {
      name: 'layer',
      rows,
      columns: perRow * d,
      groups,
      k,
      d,
      codes: packCodes(codes, codeWidth(k)),
      codebook,
    };
    // The matrix by its definition: sub-vector i of group g is codeword g k + code i.
    const perGroup = codes.length / groups;
    const matrix = Float32Array.from({ length: rows * perRow * d }, (_, at) => {
      const i = Math.floor(at / d);
      const line = Math.floor(i / perGroup) * k + codes[i]!;
      return codebook[line * d + (at % d)]!;
    });
    return { parts, matrix, stream };
  });

describe('linear', () => {
  it('applies bias, activation, gate and residual in this order', async () => {
    const stream = new RandomStream(1);
    const [n, t, width, out] = [3, 4, 5, 6];
    for (const activation of ACTIVATIONS) {
      const live = ops.memory().liveTensors;
      await ops.scope(async (s) => {
        const make = (...shape: number[]) =>
          s.tensor(
            gaussian(
              stream,
              shape.reduce((a, b) => a * b),
            ),
            shape,
          );
        const [x, w, bias] = [make(n, t, width), make(out, width), make(out)];
        const [gate, residual] = [make(n, out), make(n, t, out)];
        const y = linear(s, x, w, { bias, activation, gated: { gate, residual } });

        const sum = s.add(s.matmul(x, w, { transposeB: true }), bias);
        const active = {
          none: (z: Tensor) => z,
          gelu: (z: Tensor) => gelu(s, z),
          silu: (z: Tensor) => silu(s, z),
        };
        const scaled = s.mul(active[activation](sum), s.reshape(gate, [n, 1, out]));
        expect(await s.read(y)).toEqual(await s.read(s.add(residual, scaled)));
      });
      expect(ops.memory().liveTensors).toBe(live);
    }
  });

  it('refuses shapes that do not fit together', () => {
    ops.scope((s) => {
      const zeros = (...shape: number[]) => s.fill(shape, 0);
      const [x, w] = [zeros(4, 3), zeros(2, 3)];
      expect(() => linear(s, x, zeros(2, 4))).toThrow(ShapeError);
      expect(() => linear(s, x, w, { bias: zeros(3) })).toThrow(ShapeError);
      const residual = zeros(4, 2);
      expect(() => linear(s, x, w, { gated: { gate: zeros(3, 2), residual } })).toThrow(ShapeError);
      expect(() => linear(s, x, w, { gated: { gate: zeros(2, 2), residual: x } })).toThrow(
        ShapeError,
      );
    });
  });
});

describe('a packed weight', () => {
  it('decodes to the matrix that its codes and codebooks spell', async () => {
    await fc.assert(
      fc.asyncProperty(packedParts, async ({ parts, matrix }) => {
        const live = ops.memory().liveTensors;
        {
          using weight = PackedWeight.upload(ops, parts);
          using decoded = weight.decode(ops);
          expect(decoded.shape).toEqual([parts.rows, parts.columns]);
          expect(await ops.read(decoded)).toEqual(matrix);
        }
        expect(ops.memory().liveTensors).toBe(live);
      }),
    );
  });

  it('multiplies like that matrix, and passes gradients on to x', async () => {
    await fc.assert(
      fc.asyncProperty(packedParts, async ({ parts, matrix, stream }) => {
        await ops.scope(async (s) => {
          using weight = PackedWeight.upload(s, parts);
          const dense = s.tensor(matrix, [parts.rows, parts.columns]);
          const x = s.tensor(gaussian(stream, 3 * parts.columns), [3, parts.columns]);
          const bias = s.tensor(gaussian(stream, parts.rows), [parts.rows]);
          const run = (w: Tensor | PackedWeight) =>
            withGradients(s, [x], (o) =>
              o.sum(o.square(linear(o, x, w, { bias, activation: 'gelu' }))),
            );
          expect(await s.read(linear(s, x, weight, { bias }))).toEqual(
            await s.read(linear(s, x, dense, { bias })),
          );
          const [packed, plain] = [run(weight), run(dense)];
          expect(await s.read(packed.gradients[0]!)).toEqual(await s.read(plain.gradients[0]!));
        });
      }),
    );
  });

  it('refuses parts that do not fit together', () => {
    const parts: PackedWeightParts = {
      name: 'blocks.0.mlp.fc1.weight',
      rows: 2,
      columns: 4,
      groups: 1,
      k: 4,
      d: 2,
      codes: new Uint8Array(1),
      codebook: new Float32Array(8),
    };
    expect(() => PackedWeight.upload(ops, parts).dispose()).not.toThrow();
    for (const wrong of [
      { columns: 5 },
      { groups: 3 },
      { codes: new Uint8Array(2) },
      { codebook: new Float32Array(9) },
    ]) {
      expect(() => PackedWeight.upload(ops, { ...parts, ...wrong })).toThrow(
        /^blocks\.0\.mlp\.fc1\.weight: /,
      );
    }
  });
});
