import { createReferenceBackend } from '@vq4dit/backend-reference';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  attention,
  BINARY_OPS,
  type BinaryOp,
  gelu,
  layerNorm,
  linear,
  meanSquaredError,
  modulatedLayerNorm,
  modulatedLayerNormOp,
  type Shape,
  selfAttention,
  selfAttentionOp,
  silu,
  sizeOf,
  softmax,
  softReconstruct,
  type Tensor,
  TensorOps,
  UNARY_OPS,
  type UnaryOp,
  withGradients,
} from '../src/index.ts';

/**
 * Every rule is compared with central differences along a random direction. The oracle keeps
 * float64 between operations, so with step h = 1e-4 the truncation error is about h^2 = 1e-8 and the
 * rounding error about 1e-16 / h = 1e-12, relative to values of order one; functions here have third
 * derivatives up to order 10^2, so 1e-5 leaves room and still catches any wrong factor.
 */
const STEP = 1e-4;
const TOLERANCE = 1e-5;

type Fn = (ops: TensorOps, xs: Tensor[]) => Tensor;

/** Numbers kept away from kinks and poles by the caller's choice of range. */
const values = (shape: Shape, min: number, max: number) =>
  fc.array(fc.double({ min, max, noNaN: true }), {
    minLength: sizeOf(shape),
    maxLength: sizeOf(shape),
  });

async function checkGradients(fn: Fn, shapes: Shape[], data: number[][], direction: number[][]) {
  const ops = new TensorOps(createReferenceBackend({ storage: 'float64' }));
  const leaves = shapes.map((shape, i) => ops.tensor(data[i]!, shape));
  const directions = shapes.map((shape, i) => ops.tensor(direction[i]!, shape));
  const before = ops.memory().liveTensors;

  // A fixed weighting of the outputs makes the loss sensitive to each of them.
  const loss = (o: TensorOps, xs: Tensor[]) => {
    const y = fn(o, xs);
    const weights = Float32Array.from({ length: sizeOf(y.shape) }, (_, i) => Math.sin(i + 1));
    return o.sum(o.mul(y, o.tensor(weights, y.shape)));
  };
  const { loss: value, gradients } = withGradients(ops, leaves, (o) => loss(o, leaves));

  const analytic = ops.scope((o) =>
    gradients
      .map((grad, i) => o.sum(o.mul(grad, directions[i]!)))
      .reduce((sum, term) => o.add(sum, term)),
  );
  const numeric = ops.scope((o) => {
    const moved = (sign: number) =>
      loss(
        o,
        leaves.map((x, i) => o.add(x, o.mul(directions[i]!, o.scalar(sign * STEP)))),
      );
    // The step is stored as float32: divide by what was really stepped.
    return o.div(o.sub(moved(1), moved(-1)), o.scalar(2 * Math.fround(STEP)));
  });
  const [a, b] = [await ops.readScalar(analytic), await ops.readScalar(numeric)];
  expect(Math.abs(a - b)).toBeLessThanOrEqual(TOLERANCE * Math.max(1, Math.abs(a), Math.abs(b)));

  for (const t of [value, ...gradients, analytic, numeric]) t.dispose();
  expect(ops.memory().liveTensors).toBe(before);
}

function property(fn: Fn, shapes: Shape[], ranges: [number, number][]) {
  const data = fc.tuple(...shapes.map((s, i) => values(s, ...(ranges[i] ?? ranges[0]!))));
  const direction = fc.tuple(...shapes.map((s) => values(s, -1, 1)));
  return fc.assert(
    fc.asyncProperty(data, direction, (d, v) => checkGradients(fn, shapes, d, v)),
    { numRuns: 15 },
  );
}

const UNARY_RANGE: Partial<Record<UnaryOp, [number, number]>> = {
  abs: [0.1, 3],
  sign: [0.1, 3],
  log: [0.5, 3],
  sqrt: [0.5, 3],
  reciprocal: [0.5, 3],
};

const BINARY_RANGE: Partial<Record<BinaryOp, [number, number][]>> = {
  div: [
    [-2, 2],
    [0.5, 2],
  ],
  // Apart, so that no step crosses the kink.
  maximum: [
    [-2, -0.1],
    [0.1, 2],
  ],
  minimum: [
    [-2, -0.1],
    [0.1, 2],
  ],
  greater: [
    [-2, -0.1],
    [0.1, 2],
  ],
};

describe('gradient rules agree with finite differences', () => {
  for (const op of UNARY_OPS) {
    it(`unary ${op}`, () =>
      property((o, [x]) => o.unary(op, x!), [[2, 3]], [UNARY_RANGE[op] ?? [-2, 2]]));
  }
  for (const op of BINARY_OPS) {
    for (const [a, b] of [
      [
        [2, 3],
        [2, 3],
      ],
      [
        [2, 1, 3],
        [4, 1],
      ],
      [[3], [2, 2, 3]],
      [[2, 3], []],
    ] as [Shape, Shape][]) {
      it(`binary ${op} ${JSON.stringify(a)} ${JSON.stringify(b)}`, () =>
        property((o, [x, y]) => o.binary(op, x!, y!), [a, b], BINARY_RANGE[op] ?? [[-2, 2]]));
    }
  }
  for (const transposeA of [false, true]) {
    for (const transposeB of [false, true]) {
      it(`matmul ${transposeA} ${transposeB}`, () =>
        property(
          (o, [a, b]) => o.matmul(a!, b!, { transposeA, transposeB }),
          [
            [2, ...(transposeA ? [4, 3] : [3, 4])],
            [2, ...(transposeB ? [2, 4] : [4, 2])],
          ],
          [[-2, 2]],
        ));
    }
  }
  it('matmul with one shared matrix', () =>
    property(
      (o, [a, b]) => o.matmul(a!, b!, { transposeB: true }),
      [
        [2, 3, 4],
        [5, 4],
      ],
      [[-2, 2]],
    ));
  for (const axis of [0, 1, 2]) {
    it(`sum and mean over axis ${axis}`, () =>
      property((o, [x]) => o.add(o.sum(x!, axis), o.mean(x!, axis)), [[2, 3, 2]], [[-2, 2]]));
    it(`max over axis ${axis}`, () =>
      // Steps between the elements are larger than the noise: no tie, no kink.
      property(
        (o, [x]) => {
          const ramp = Float32Array.from({ length: 12 }, (_, i) => (i * 7) % 12);
          return o.max(o.add(x!, o.tensor(ramp, [2, 3, 2])), axis, { keepDims: true });
        },
        [[2, 3, 2]],
        [[-0.4, 0.4]],
      ));
  }
  it('reshape, permute, slice, concat', () =>
    property(
      (o, [x, y]) => {
        const p = o.permute(x!, [2, 0, 1]); // [4, 2, 3]
        const s = o.slice(p, [1, 0, 1], [2, 2, 2]);
        return o.concat([o.reshape(s, [2, 4]), y!, o.square(y!)], 1);
      },
      [
        [2, 3, 4],
        [2, 2],
      ],
      [[-2, 2]],
    ));
  it('gatherRows and scatterAddRows', () =>
    property(
      (o, [x]) => {
        const rows = o.gatherRows(x!, o.indices([2, 0, 2, 1], [4]));
        return o.square(o.scatterAddRows(o.square(rows), o.indices([1, 1, 0, 3], [4]), 4));
      },
      [[3, 2]],
      [[-2, 2]],
    ));
  it('softmax', () => property((o, [x]) => softmax(o, x!), [[3, 4]], [[-3, 3]]));
  it('layer norm', () =>
    // The ramp keeps the variance away from zero, where the function has a pole.
    property(
      (o, [x]) => layerNorm(o, o.add(x!, o.tensor([-2, -1, 1, 2], [4])), 1e-6),
      [[3, 4]],
      [[-0.5, 0.5]],
    ));
  it('gelu', () => property((o, [x]) => gelu(o, x!), [[2, 3]], [[-3, 3]]));
  it('silu', () => property((o, [x]) => silu(o, x!), [[2, 3]], [[-3, 3]]));
  it('attention', () =>
    property(
      (o, [q, k, v]) => attention(o, q!, k!, v!),
      [
        [1, 2, 3, 2],
        [1, 2, 3, 2],
        [1, 2, 3, 2],
      ],
      [[-1, 1]],
    ));
  it('linear and mean squared error', () =>
    property(
      (o, [x, w, b, t]) => meanSquaredError(o, linear(o, x!, w!, { bias: b! }), t!),
      [[2, 3], [4, 3], [4], [2, 4]],
      [[-1, 1]],
    ));
  it('linear with everything that may follow the product', () =>
    property(
      (o, [x, w, bias, gate, residual]) =>
        linear(o, x!, w!, {
          bias: bias!,
          activation: 'gelu',
          gated: { gate: gate!, residual: residual! },
        }),
      [[2, 2, 3], [4, 3], [4], [2, 4], [2, 2, 4]],
      [[-1, 1]],
    ));
  it('self-attention, recorded in parts and as one operation', async () => {
    const shapes = [[2, 3, 12]];
    await property((o, [qkv]) => selfAttention(o, qkv!, 2), shapes, [[-1, 1]]);
    await property((o, [qkv]) => o.composed(selfAttentionOp, [qkv!], { heads: 2 })[0]!, shapes, [
      [-1, 1],
    ]);
  });
  it('modulated layer norm, recorded in parts and as one operation', async () => {
    const shapes = [
      [2, 3, 4],
      [2, 4],
      [2, 4],
    ];
    // As above, the ramp keeps the variance away from zero.
    const ramp = (o: TensorOps, x: Tensor) => o.add(x, o.tensor([-2, -1, 1, 2], [4]));
    await property(
      (o, [x, shift, scale]) => modulatedLayerNorm(o, ramp(o, x!), shift!, scale!),
      shapes,
      [[-0.5, 0.5]],
    );
    await property(
      (o, [x, shift, scale]) =>
        o.composed(modulatedLayerNormOp, [ramp(o, x!), shift!, scale!], { epsilon: 1e-6 })[0]!,
      shapes,
      [[-0.5, 0.5]],
    );
  });
  it('soft reconstruction', () =>
    property(
      (o, [codebook, logits]) =>
        softReconstruct(
          o,
          codebook!,
          o.indices([0, 1, 2, 0, 1, 2, 3, 3], [4, 2]),
          softmax(o, logits!),
        ),
      [
        [4, 3],
        [4, 2],
      ],
      [[-2, 2]],
    ));
});

describe('tape', () => {
  it('gives zeros for a leaf the loss does not depend on', async () => {
    const ops = new TensorOps(createReferenceBackend());
    const [a, b] = [ops.tensor([1, 2], [2]), ops.tensor([3], [1])];
    const { loss, gradients } = withGradients(ops, [a, b], (o) => o.sum(o.square(a)));
    expect(await ops.readScalar(loss)).toBe(5);
    expect([...(await ops.read(gradients[0]!))]).toEqual([2, 4]);
    expect([...(await ops.read(gradients[1]!))]).toEqual([0]);
  });

  it('adds up the gradients of a tensor that is used more than once', async () => {
    const ops = new TensorOps(createReferenceBackend());
    const x = ops.tensor([3], [1]);
    const { gradients } = withGradients(ops, [x], (o) => o.sum(o.mul(o.add(x, x), x)));
    expect([...(await ops.read(gradients[0]!))]).toEqual([12]);
  });

  it('keeps nothing for operations that no leaf reaches', () => {
    const ops = new TensorOps(createReferenceBackend());
    const [leaf, constant] = [ops.tensor([1], [1]), ops.tensor([2], [1])];
    const before = ops.memory().liveTensors;
    ops.scope((outer) => {
      const { loss } = withGradients(outer, [leaf], (o) => {
        const unrelated = o.scope((s) => s.exp(s.square(constant)));
        expect(ops.memory().liveTensors).toBe(before + 1);
        return o.sum(o.mul(leaf, unrelated));
      });
      return loss.dispose();
    });
    expect(ops.memory().liveTensors).toBe(before);
  });
});
