import { keepInputs } from '../autodiff/rule.ts';
import { ShapeError } from '../errors.ts';
import type { ComposedOp } from '../tensor/composed.ts';
import type { TensorOps } from '../tensor/ops.ts';
import { formatShape, type Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { attention } from './attention.ts';
import { softmax } from './softmax.ts';

function checkShape(shape: Shape, heads: number) {
  const [n, count, triple] = shape;
  if (shape.length !== 3 || !Number.isInteger(heads) || heads < 1 || triple! % (3 * heads) !== 0) {
    throw new ShapeError(
      `selfAttention: expected [N, T, 3D] with D a multiple of ${heads} heads, got ${formatShape(shape)}.`,
    );
  }
  return { n: n!, count: count!, width: triple! / 3 };
}

/** Queries, keys and values [N, T, 3D] -> three tensors [N, H, T, D/H]. */
function splitHeads(ops: TensorOps, qkv: Tensor, heads: number): [Tensor, Tensor, Tensor] {
  const { n, count, width } = checkShape(qkv.shape, heads);
  const rows = ops.reshape(qkv, [n * count, 3 * width]);
  // Cut first, then permute: permuting all three at once takes five axes, which is slow:
  // on WebAssembly it was two fifths of a forward pass.
  return [0, 1, 2].map((i) => {
    const part = ops.slice(rows, [0, i * width], [n * count, width]);
    return toHeads(ops, part, n, count, heads);
  }) as [Tensor, Tensor, Tensor];
}

/** [N T, D] or [N, T, D] -> [N, H, T, D/H] */
function toHeads(ops: TensorOps, x: Tensor, n: number, count: number, heads: number): Tensor {
  return ops.permute(ops.reshape(x, [n, count, heads, -1]), [0, 2, 1, 3]);
}

/** [N, H, T, D/H] -> [N, T, D] */
function joinHeads(ops: TensorOps, x: Tensor): Tensor {
  const [n, , count] = x.shape as [number, number, number];
  return ops.reshape(ops.permute(x, [0, 2, 1, 3]), [n, count, -1]);
}

function composeAttention(ops: TensorOps, qkv: Tensor, heads: number): Tensor {
  return ops.scope((s) => {
    const [q, k, v] = splitHeads(s, qkv, heads);
    return joinHeads(s, attention(s, q, k, v));
  });
}

/** The composed operation behind {@link selfAttention}. */
export const selfAttentionOp: ComposedOp<{ heads: number }> = {
  name: 'selfAttention',
  outputs([qkv], { heads }) {
    const { n, count, width } = checkShape(qkv!, heads);
    return [{ shape: [n, count, width] }];
  },
  compose: (ops, [qkv], { heads }) => [composeAttention(ops, qkv!, heads)],
  fused: (kernels, [qkv], { heads }) => [kernels.selfAttention(qkv!, heads)],
  rule: {
    name: 'selfAttention',
    keep: keepInputs(0),
    vjp: ({ ops, grad, input, attrs }) =>
      ops.composed(selfAttentionGradOp, [input(0), grad], attrs),
  },
};

/** Gradient of {@link selfAttention}; an operation of its own so that it can be fused. */
export const selfAttentionGradOp: ComposedOp<{ heads: number }> = {
  name: 'selfAttentionGrad',
  outputs([qkv, grad], { heads }) {
    const { n, count, width } = checkShape(qkv!, heads);
    const [gn, gt, gd] = grad!;
    if (grad!.length !== 3 || gn !== n || gt !== count || gd !== width) {
      throw new ShapeError(
        `selfAttentionGrad: the gradient ${formatShape(grad!)} does not fit the input ${formatShape(qkv!)}.`,
      );
    }
    return [{ shape: qkv! }];
  },
  // With P = softmax(S), S = q k^T c and G the gradient: dv = P^T G, dP = G v^T,
  // dS = P (dP - rowsum(P dP)), dq = c dS k, dk = c dS^T q.
  compose(ops, [qkv, grad], { heads }) {
    const { n, count, width } = checkShape(qkv!.shape, heads);
    const [q, k, v] = splitHeads(ops, qkv!, heads); // [N, H, T, d]
    const g = toHeads(ops, grad!, n, count, heads);
    const scale = ops.scalar(1 / Math.sqrt(width / heads));
    const scaled = ops.mul(q, scale);
    const p = softmax(ops, ops.matmul(scaled, k, { transposeB: true })); // [N, H, T, T]
    const dp = ops.matmul(g, v, { transposeB: true });
    const ds = ops.mul(p, ops.sub(dp, ops.sum(ops.mul(p, dp), -1, { keepDims: true })));
    const dq = ops.mul(ops.matmul(ds, k), scale);
    const dk = ops.matmul(ds, scaled, { transposeA: true });
    const dv = ops.matmul(p, g, { transposeA: true });
    const parts = [dq, dk, dv].map((x) => joinHeads(ops, x));
    return [ops.concat(parts, 2)];
  },
  fused: (kernels, [qkv, grad], { heads }) => [kernels.selfAttentionGrad(qkv!, grad!, heads)],
};

/**
 * Multi-head self-attention without its projections: softmax(q k^T / sqrt(D/H)) v for each head
 * (Vaswani et al. 2017, equation 1).
 *
 * @param qkv queries, keys and values side by side, [N, T, 3D]
 * @param heads H, a divisor of D
 * @returns [N, T, D]
 * @throws ShapeError where the heads do not divide the width
 */
export function selfAttention(ops: TensorOps, qkv: Tensor, heads: number): Tensor {
  // Without a fused gradient it is cheaper to record the parts: the probabilities are then kept,
  // not computed twice.
  if (ops.isRecording(qkv) && !ops.hasFused('selfAttentionGrad')) {
    checkShape(qkv.shape, heads);
    return composeAttention(ops, qkv, heads);
  }
  return ops.composed(selfAttentionOp, [qkv], { heads })[0]!;
}
