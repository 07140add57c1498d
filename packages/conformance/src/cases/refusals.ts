import {
  adamwStep,
  DTypeError,
  gelu,
  geluGradOp,
  IndexError,
  linear,
  lloydStep,
  modulatedLayerNorm,
  ShapeError,
  selfAttention,
  selfAttentionGradOp,
  softReconstruct,
  type Tensor,
  TensorLifetimeError,
  type TensorOps,
} from '@vq4dit/core';
import { floats, type HostTensor, ints, labels } from '../host-tensor.ts';
import type { CaseOp, ErrorCase, OpCase } from '../op-case.ts';

const m23 = labels([2, 3]);
const m34 = labels([3, 4]);
const i2 = ints([2], [0, 1]);

function refuses(
  op: CaseOp,
  what: string,
  [error, message]: readonly [ErrorCase['error'], RegExp],
  inputs: readonly HostTensor[],
  run: (ops: TensorOps, inputs: readonly Tensor[]) => unknown,
): OpCase {
  return { kind: 'error', op, id: `${op}(error:${what})`, error, message, inputs, run };
}

const shape = (message: RegExp) => [ShapeError, message] as const;
const dtype = (message: RegExp) => [DTypeError, message] as const;
const index = (message: RegExp) => [IndexError, message] as const;
const lifetime = (message: RegExp) => [TensorLifetimeError, message] as const;

/**
 * Calls that no kernel ever sees. Core checks them, so they hold for every backend; here they prove
 * that a backend was given the real facade and is left without a trace of the refused call.
 */
export const refusalCases: readonly OpCase[] = [
  refuses('upload', 'count', shape(/do not fill/), [], (o) => o.tensor([1, 2, 3], [2, 2])),
  refuses('upload', 'zeroDimension', shape(/positive integer/), [], (o) => o.tensor([], [0])),
  refuses('unary', 'dtype', dtype(/expected float32, got int32/), [i2], (o, [x]) => o.exp(x!)),
  refuses('unary', 'disposed', lifetime(/was disposed/), [m23], (o, [x]) => {
    x!.dispose();
    return o.exp(x!);
  }),
  refuses('backend', 'disposedTwice', lifetime(/was disposed/), [m23], (_, [x]) => {
    x!.dispose();
    x!.dispose();
  }),
  refuses('backend', 'readDisposed', lifetime(/was disposed/), [m23], (o, [x]) => {
    x!.dispose();
    return o.read(x!);
  }),
  refuses('binary', 'broadcast', shape(/do not broadcast/), [m23, m34], (o, [a, b]) =>
    o.add(a!, b!),
  ),
  refuses('matmul', 'inner', shape(/do not fit/), [m23, m23], (o, [a, b]) => o.matmul(a!, b!)),
  refuses(
    'matmul',
    'dtype',
    dtype(/float32/),
    [m23, ints([3, 2], [0, 1, 2, 3, 4, 5])],
    (o, [a, b]) => o.matmul(a!, b!),
  ),
  refuses('reduce', 'axis', shape(/axis 2 does not exist/), [m23], (o, [x]) => o.sum(x!, 2)),
  refuses('argmin', 'scalar', shape(/scalar/), [floats([], [1])], (o, [x]) => o.argmin(x!)),
  refuses(
    'gatherRows',
    'index',
    index(/0 to 2, but there are 2 rows/),
    [m23, ints([2], [0, 2])],
    (o, [x, i]) => o.gatherRows(x!, i!),
  ),
  refuses('gatherRows', 'negative', index(/from -1/), [m23, ints([1], [-1])], (o, [x, i]) =>
    o.gatherRows(x!, i!),
  ),
  refuses('gatherRows', 'dtype', dtype(/expected int32/), [m23, floats([1], [0])], (o, [x, i]) =>
    o.gatherRows(x!, i!),
  ),
  refuses('scatterAddRows', 'index', index(/rows/), [m23, ints([2], [0, 5])], (o, [u, i]) =>
    o.scatterAddRows(u!, i!, 5),
  ),
  refuses('scatterAddRows', 'count', shape(/one each/), [m34, i2], (o, [u, i]) =>
    o.scatterAddRows(u!, i!, 5),
  ),
  refuses('permute', 'axes', shape(/each axis/), [m23], (o, [x]) => o.permute(x!, [0, 0])),
  refuses('slice', 'outside', index(/not inside/), [m23], (o, [x]) => o.slice(x!, [1, 1], [1, 3])),
  refuses('concat', 'shape', shape(/does not join/), [m23, m34], (o, xs) => o.concat(xs, 0)),
  refuses('concat', 'dtype', dtype(/expected float32/), [m23, ints([2, 3], () => 0)], (o, xs) =>
    o.concat(xs, 0),
  ),
  refuses(
    'nearest',
    'length',
    shape(/length 3 and codewords of length 4/),
    [m23, m34],
    (o, [x, c]) => o.nearest(x!, c!),
  ),
  refuses('nearest', 'n', shape(/4 nearest of 3/), [labels([2, 4]), m34], (o, [x, c]) =>
    o.nearest(x!, c!, 4),
  ),
  refuses('reshape', 'count', shape(/cannot become/), [m23], (o, [x]) => o.reshape(x!, [4])),
  refuses('gelu', 'dtype', dtype(/float32/), [i2], (o, [x]) => gelu(o, x!)),
  refuses(
    'softReconstruct',
    'index',
    index(/rows/),
    [m23, ints([2, 2], [0, 1, 2, 0]), floats([2, 2], [1, 0, 0, 1])],
    (o, [c, a, r]) => softReconstruct(o, c!, a!, r!),
  ),
  refuses(
    'softReconstruct',
    'dtype',
    dtype(/int32/),
    [m23, floats([2, 1], [0, 1]), floats([2, 1], [1, 1])],
    (o, [c, a, r]) => softReconstruct(o, c!, a!, r!),
  ),
  refuses('geluGrad', 'shape', shape(/differ in shape/), [m23, m34], (o, inputs) =>
    o.composed(geluGradOp, inputs, undefined),
  ),
  refuses('linear', 'width', shape(/to fit/), [m23, m34], (o, [x, w]) => linear(o, x!, w!)),
  refuses(
    'linear',
    'gate',
    shape(/to fit/),
    [m34, labels([2, 4]), labels([2, 2]), labels([3, 2])],
    (o, [x, w, gate, residual]) =>
      linear(o, x!, w!, { gated: { gate: gate!, residual: residual! } }),
  ),
  refuses('selfAttention', 'heads', shape(/multiple of 2 heads/), [labels([1, 2, 9])], (o, [x]) =>
    selfAttention(o, x!, 2),
  ),
  refuses(
    'selfAttentionGrad',
    'shape',
    shape(/does not fit/),
    [labels([1, 2, 9]), labels([1, 2, 9])],
    (o, inputs) => o.composed(selfAttentionGradOp, inputs, { heads: 1 }),
  ),
  refuses(
    'modulatedLayerNorm',
    'images',
    shape(/vectors \[N, D\]/),
    [labels([2, 3, 4]), m34, m34],
    (o, [x, a, b]) => modulatedLayerNorm(o, x!, a!, b!),
  ),
  refuses('adamwStep', 'shape', shape(/differ in shape/), [m23, m23, m23, m34], (o, inputs) => {
    const [v, g, m, s] = inputs as [Tensor, Tensor, Tensor, Tensor];
    const constants = { learningRate: 1, beta1: 0, beta2: 0, epsilon: 1, weightDecay: 0, step: 1 };
    return adamwStep(o, v, g, m, s, constants);
  }),
  refuses('lloydStep', 'length', shape(/codewords/), [m23, m34], (o, [x, c]) =>
    lloydStep(o, x!, c!),
  ),
];
