import { selfAttention, selfAttentionGradOp } from '@vq4dit/core';
import {
  addHeadGrad,
  headOf,
  outShape,
  type Params,
  probabilityRow,
  qkvShape,
} from '../cases/self-attention.ts';
import { scaled } from '../comparators.ts';
import { gaussian } from '../host-tensor.ts';
import { caseId } from '../op-case.ts';
import { judgeSamples, type Workload } from './workload.ts';

const paramsOf = (p: Params) => caseId('', { ...p }).slice(1, -1);
const width = (p: Params) => p.heads * p.d;

/** Two products of T x T x d for each head. */
function forward(p: Params): Workload {
  return {
    op: 'selfAttention',
    params: paramsOf(p),
    flops: 4 * p.n * p.t * p.t * width(p),
    bytes: 4 * p.n * p.t * 4 * width(p),
    make(rng) {
      const qkv = gaussian(rng, qkvShape(p));
      return {
        inputs: [qkv],
        run: (ops, [x]) => [selfAttention(ops, x!, p.heads)],
        judge: ([y], limits) =>
          judgeSamples(
            y!,
            p.n * p.t * width(p),
            (at) => {
              const row = Math.floor(at / width(p));
              const [column, token] = [at % width(p), row % p.t];
              const head = headOf(p, Math.floor(row / p.t), Math.floor(column / p.d));
              const { values, relative } = probabilityRow(qkv.data, p, head, token, 'gaussian');
              let value = 0;
              let magnitude = 0;
              values.forEach((probability, j) => {
                const term = probability * qkv.data[head.v(j, column % p.d)]!;
                value += term;
                magnitude += Math.abs(term) * (relative[j]! + p.t + 4);
              });
              return { value, magnitude };
            },
            limits,
            { product: true, count: 40 },
          ),
      };
    },
  };
}

/** Five products of T x T x d for each head: the scores again, and four gradients. */
function backward(p: Params): Workload {
  return {
    op: 'selfAttentionGrad',
    params: paramsOf(p),
    flops: 10 * p.n * p.t * p.t * width(p),
    bytes: 4 * p.n * p.t * 7 * width(p),
    make(rng) {
      const [qkv, grad] = [gaussian(rng, qkvShape(p)), gaussian(rng, outShape(p))];
      return {
        inputs: [qkv, grad],
        run: (ops, inputs) => ops.composed(selfAttentionGradOp, inputs, { heads: p.heads }),
        // One head of the last image; the others are computed in the same way.
        judge([y], limits) {
          const size = qkv.data.length;
          if (y!.length !== size) return `${y!.length} elements, expected ${size}`;
          const sums = { values: new Float64Array(size), magnitude: new Float64Array(size) };
          const head = headOf(p, p.n - 1, p.heads - 1);
          addHeadGrad(sums, qkv, grad, p, head, 'gaussian');
          const positions = [head.q, head.k, head.v].flatMap((part) =>
            Array.from({ length: p.t * p.d }, (_, i) => part(Math.floor(i / p.d), i % p.d)),
          );
          const pick = (from: ArrayLike<number>) => Float64Array.from(positions, (i) => from[i]!);
          const compare = scaled(pick(sums.magnitude), 1, { product: true, nmse: true });
          return compare(pick(y!), pick(sums.values), limits);
        },
      };
    },
  };
}

/** DiT-XL/2 at 256 x 256 and 512 x 512 pixels. */
export const attentionWorkloads: readonly Workload[] = [
  forward({ n: 1, t: 256, heads: 16, d: 72 }),
  forward({ n: 1, t: 1024, heads: 16, d: 72 }),
  backward({ n: 1, t: 256, heads: 16, d: 72 }),
];
