import { createReferenceBackend } from '@vq4dit/backend-reference';
import { describe, expect, it } from 'vitest';
import {
  DTypeError,
  gelu,
  IndexError,
  layerNorm,
  rmspropStep,
  ShapeError,
  silu,
  softmax,
  softReconstruct,
  type Tensor,
  TensorLifetimeError,
  TensorOps,
  UnsupportedOpError,
  withGradients,
} from '../src/index.ts';
import { spyBackend } from './support/spy-backend.ts';

type Inputs = Record<'m23' | 'm34' | 'v3' | 'scalar' | 'i2' | 'i23' | 'batch', Tensor>;

function inputs(ops: TensorOps): Inputs {
  return {
    m23: ops.tensor([1, 2, 3, 4, 5, 6], [2, 3]),
    m34: ops.fill([3, 4], 1),
    v3: ops.tensor([1, 2, 3], [3]),
    scalar: ops.scalar(1),
    i2: ops.indices([0, 2], [2]),
    i23: ops.indices([0, 1, 2, 3, 4, 5], [2, 3]),
    batch: ops.fill([2, 3, 4], 1),
  };
}

type Refused = readonly [string, (ops: TensorOps, x: Inputs) => unknown, RegExp];

const SHAPE_ERRORS: readonly Refused[] = [
  ['too few values', (o) => o.tensor([1], [2]), /1 values do not fill shape \[2\] \(2 elements\)/],
  ['too many indices', (o) => o.indices([1, 2], []), /2 values/],
  ['an empty dimension', (o) => o.fill([0], 1), /positive integer/],
  ['add', (o, x) => o.add(x.m23, x.m34), /add: shapes \[2, 3\] and \[3, 4\]/],
  ['broadcastTo smaller', (o, x) => o.broadcastTo(x.m23, [3]), /does not stretch to \[3\]/],
  ['broadcastTo other', (o, x) => o.broadcastTo(x.v3, [2, 4]), /do not broadcast/],
  ['matmul inner', (o, x) => o.matmul(x.m23, x.m23), /\[2, 3\] and \[2, 3\] do not fit/],
  [
    'matmul transposed',
    (o, x) => o.matmul(x.m23, x.m34, { transposeB: true }),
    /\[3, 4\] \(transposed\)/,
  ],
  ['matmul of a vector', (o, x) => o.matmul(x.v3, x.m34), /do not fit/],
  ['matmul of other batches', (o, x) => o.matmul(x.m34, x.batch), /do not fit/],
  [
    'matmul, shared and transposed',
    (o, x) => o.matmul(x.batch, x.m34, { transposeA: true }),
    /do not fit/,
  ],
  ['sum axis', (o, x) => o.sum(x.m23, 2), /sum: axis 2 does not exist in a tensor of rank 2/],
  ['max of a scalar', (o, x) => o.max(x.scalar, 0), /rank 0/],
  ['mean axis', (o, x) => o.mean(x.m23, -3), /mean: axis -3/],
  ['argmin of a scalar', (o, x) => o.argmin(x.scalar), /scalar/],
  ['reshape', (o, x) => o.reshape(x.m23, [4]), /cannot become/],
  ['permute, one twice', (o, x) => o.permute(x.m23, [0, 0]), /each axis/],
  ['permute, one missing', (o, x) => o.permute(x.m23, [0]), /each axis/],
  ['concat of nothing', (o) => o.concat([], 0), /nothing to join/],
  ['concat', (o, x) => o.concat([x.m23, x.m34], 0), /\[3, 4\] does not join \[2, 3\]/],
  ['concat of other ranks', (o, x) => o.concat([x.m23, x.v3], 0), /does not join/],
  ['concat axis', (o, x) => o.concat([x.m23, x.m23], 2), /axis 2/],
  ['gather from a vector', (o, x) => o.gatherRows(x.v3, x.i2), /expected a matrix/],
  ['gather by a matrix', (o, x) => o.gatherRows(x.m34, x.i23), /expected a vector/],
  ['scatter counts', (o, x) => o.scatterAddRows(x.m34, x.i2, 4), /3 rows and 2 indices/],
  ['scatter to no rows', (o, x) => o.scatterAddRows(x.m23, x.i2, 0), /positive integer/],
  ['nearest lengths', (o, x) => o.nearest(x.m23, x.m34), /length 3 and codewords of length 4/],
  ['nearest of none', (o, x) => o.nearest(x.m23, x.m23, 0), /0 nearest of 2/],
  ['nearest of too many', (o, x) => o.nearest(x.m23, x.m23, 3), /3 nearest of 2/],
  ['nearest to a vector', (o, x) => o.nearest(x.m23, x.v3), /expected a matrix/],
  ['slice to nothing', (o, x) => o.slice(x.m23, [0, 0], [0, 1]), /positive integer/],
  [
    'rmspropStep',
    (o, x) => rmspropStep(o, x.m23, x.m23, x.m34, { learningRate: 1, decay: 0.9, epsilon: 1 }),
    /differ in shape/,
  ],
  ['softReconstruct', (o, x) => softReconstruct(o, x.m34, x.i23, x.m34), /expected codebook/],
];

const DTYPE_ERRORS: readonly Refused[] = [
  ['exp', (o, x) => o.exp(x.i2), /exp: expected float32, got int32/],
  ['add', (o, x) => o.add(x.m23, x.i23), /add: expected float32/],
  ['matmul', (o, x) => o.matmul(x.i23, x.m34), /matmul: expected float32/],
  ['sum', (o, x) => o.sum(x.i23, 0), /sum: expected float32/],
  ['argmin', (o, x) => o.argmin(x.i23), /argmin: expected float32/],
  ['nearest', (o, x) => o.nearest(x.m23, x.i23), /nearest: expected float32/],
  ['gather by floats', (o, x) => o.gatherRows(x.m23, x.v3), /expected int32, got float32/],
  ['scatter by floats', (o, x) => o.scatterAddRows(x.m34, x.v3, 3), /expected int32/],
  ['scatter of indices', (o, x) => o.scatterAddRows(x.i23, x.i2, 3), /expected float32/],
  ['concat of both', (o, x) => o.concat([x.m23, x.i23], 0), /concat: expected float32, got int32/],
  ['softmax', (o, x) => softmax(o, x.i23), /softmax: expected float32/],
  ['layerNorm', (o, x) => layerNorm(o, x.i23), /layerNorm: expected float32/],
  ['softReconstruct', (o, x) => softReconstruct(o, x.m23, x.m23, x.m23), /expected int32/],
  ['read', (o, x) => o.read(x.i2), /read: expected float32/],
  ['readIndices', (o, x) => o.readIndices(x.v3), /readIndices: expected int32/],
];

const INDEX_ERRORS: readonly Refused[] = [
  ['gather', (o, x) => o.gatherRows(x.m23, x.i2), /from 0 to 2, but there are 2 rows \(0 to 1\)/],
  ['gather negative', (o, x) => o.gatherRows(x.m23, o.indices([-1], [1])), /from -1 to -1/],
  ['scatter', (o, x) => o.scatterAddRows(x.m23, x.i2, 2), /scatterAddRows: .*from 0 to 2/],
  ['slice behind', (o, x) => o.slice(x.m23, [1, 1], [1, 3]), /\[1, 3\] at \[1, 1\] is not inside/],
  ['slice before', (o, x) => o.slice(x.m23, [-1, 0], [1, 1]), /not inside/],
  ['slice of another rank', (o, x) => o.slice(x.m23, [0], [1]), /not inside/],
  ['slice between', (o, x) => o.slice(x.m23, [0.5, 0], [1, 1]), /not inside/],
  ['no integer', (o) => o.indices([1.5], [1]), /1.5 is not a 32-bit integer/],
  ['too large', (o) => o.indices([2 ** 31], [1]), /not a 32-bit integer/],
  ['NaN', (o) => o.indices([Number.NaN], [1]), /NaN is not/],
  ['softReconstruct', (o, x) => softReconstruct(o, x.m23, x.i23, x.m23), /from 0 to 5/],
];

async function refuses(run: Refused[1], error: new () => Error, message: RegExp) {
  const { ops, calls, backend } = spyBackend();
  const given = inputs(ops);
  const before = ops.memory().liveTensors;
  const attempt = async () => run(ops, given);
  await expect(attempt()).rejects.toThrow(error);
  await expect(attempt()).rejects.toThrow(message);
  expect(calls).toEqual([]);
  // `indices` in a refused call may have been uploaded; nothing else is left.
  expect(ops.memory().liveTensors - before).toBeLessThanOrEqual(2);
  expect(backend.liveBuffers!()).toBe(ops.memory().liveTensors);
}

describe('illegal calls fail on the host, before any kernel runs', () => {
  it.each(SHAPE_ERRORS)('shape: %s', (_, run, message) => refuses(run, ShapeError, message));
  it.each(DTYPE_ERRORS)('dtype: %s', (_, run, message) => refuses(run, DTypeError, message));
  it.each(INDEX_ERRORS)('index: %s', (_, run, message) => refuses(run, IndexError, message));

  it('also where a fused kernel would be called', () => {
    const fused: string[] = [];
    const { backend } = spyBackend({
      fused: {
        softmax: () => fused.push('softmax'),
        softReconstruct: () => fused.push('softReconstruct'),
      },
    });
    const ops = new TensorOps(backend);
    const { m23, i23 } = inputs(ops);
    expect(() => softmax(ops, i23)).toThrow(DTypeError);
    expect(() => softReconstruct(ops, m23, i23, m23)).toThrow(IndexError);
    expect(() => softReconstruct(ops, m23, m23, m23)).toThrow(DTypeError);
    expect(fused).toEqual([]);
  });

  it('legal calls do run kernels', () => {
    const { ops, calls } = spyBackend();
    const { m23, i2, m34 } = inputs(ops);
    ops.matmul(m23, m34);
    ops.gatherRows(m34, i2);
    expect(calls).toEqual(['matmul', 'gatherRows']);
  });
});

describe('indices', () => {
  it('found by argmin and nearest carry their range', async () => {
    const { ops } = spyBackend();
    const { m23 } = inputs(ops);
    const nearest = ops.nearest(m23, m23, 1);
    const flat = ops.reshape(nearest.indices, [2]);
    expect([...(await ops.read(ops.gatherRows(m23, flat)))]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(() => ops.gatherRows(ops.fill([1, 3], 0), flat)).toThrow(IndexError);
    const least = ops.argmin(m23);
    expect(least.indexRange).toEqual({ min: 0, max: 2 });
  });

  it('keep their range when they are moved, and join it when concatenated', () => {
    const { ops } = spyBackend();
    const [a, b] = [ops.indices([1, 2], [2]), ops.indices([7, 3], [2])];
    expect(ops.concat([a, b], 0).indexRange).toEqual({ min: 1, max: 7 });
    expect(ops.permute(a, [0]).indexRange).toEqual({ min: 1, max: 2 });
    expect(ops.reshape(a, [1, 2]).indexRange).toEqual({ min: 1, max: 2 });
    expect(ops.slice(b, [0], [1]).indexRange).toEqual({ min: 3, max: 7 });
    expect(ops.gatherRows(ops.reshape(b, [2, 1]), ops.indices([0], [1])).indexRange).toEqual({
      min: 3,
      max: 7,
    });
  });
});

describe('lifetimes', () => {
  it('refuse disposing twice, and using what was disposed', async () => {
    const { ops, calls } = spyBackend();
    const { m23, v3 } = inputs(ops);
    m23.dispose();
    expect(m23.disposed).toBe(true);
    expect(() => m23.dispose()).toThrow(TensorLifetimeError);
    expect(() => m23.dispose()).toThrow(/of shape \[2, 3\] was disposed before/);
    expect(() => ops.exp(m23)).toThrow(/^exp: tensor/);
    expect(() => ops.add(v3, m23)).toThrow(TensorLifetimeError);
    expect(() => ops.reshape(m23, [6])).toThrow(TensorLifetimeError);
    expect(() => ops.alias(m23)).toThrow(TensorLifetimeError);
    await expect(ops.read(m23)).rejects.toThrow(TensorLifetimeError);
    await expect(ops.readScalar(ops.scalar(2))).resolves.toBe(2);
    expect(calls).toEqual([]);
  });

  it('end with a `using` block, also if disposed by hand before', () => {
    const { ops } = spyBackend();
    {
      using a = ops.scalar(1);
      using b = ops.scalar(2);
      b.dispose();
      expect(a.disposed).toBe(false);
    }
    expect(ops.memory()).toEqual({ liveTensors: 0, liveBytes: 0 });
  });

  it('belong to one backend', () => {
    const { ops } = spyBackend();
    const other = new TensorOps(createReferenceBackend());
    const [here, there] = [ops.scalar(1), other.scalar(2)];
    expect(() => ops.add(here, there)).toThrow(TensorLifetimeError);
    expect(() => ops.add(here, there)).toThrow(/lives on another backend/);
  });

  it('of views of one buffer are counted apart, their bytes once', () => {
    const { ops, backend } = spyBackend();
    const x = ops.fill([2, 3], 1);
    const y = ops.reshape(x, [6]);
    const z = ops.alias(x);
    expect(ops.memory()).toEqual({ liveTensors: 3, liveBytes: 24 });
    x.dispose();
    z.dispose();
    expect(backend.liveBuffers!()).toBe(1);
    y.dispose();
    expect(ops.memory()).toEqual({ liveTensors: 0, liveBytes: 0 });
    expect(backend.liveBuffers!()).toBe(0);
  });

  it('leave nothing but the result alive, also outside a scope', () => {
    const { ops, backend } = spyBackend();
    const { m23, v3, batch, m34 } = inputs(ops);
    const b = ops.permute(m34, [1, 0]);
    const before = ops.memory().liveTensors;
    const calls: Record<string, () => Tensor> = {
      sum: () => ops.sum(m23),
      'sum, kept': () => ops.sum(m23, 1, { keepDims: true }),
      mean: () => ops.mean(m23),
      'mean, kept': () => ops.mean(m23, 0, { keepDims: true }),
      max: () => ops.max(m23, 1, { keepDims: true }),
      broadcastTo: () => ops.broadcastTo(v3, [2, 3]),
      'broadcastTo the same': () => ops.broadcastTo(m23, [2, 3]),
      'matmul, shared': () => ops.matmul(batch, b),
      'concat of one': () => ops.concat([m23], 0),
      gelu: () => gelu(ops, m23),
      softmax: () => softmax(ops, m23),
    };
    for (const [name, call] of Object.entries(calls)) {
      const out = call();
      expect(ops.memory().liveTensors, name).toBe(before + 1);
      out.dispose();
      expect(ops.memory().liveTensors, name).toBe(before);
    }
    for (const x of [m23, v3, batch, m34, b]) x.dispose();
    expect(backend.liveBuffers!()).toBe(ops.memory().liveTensors);
  });

  it('of shapes end with the array that was passed: shapes are frozen copies', () => {
    const { ops } = spyBackend();
    const shape = [2, 3];
    const x = ops.fill(shape, 1);
    shape[0] = 9;
    expect(x.shape).toEqual([2, 3]);
    expect(Object.isFrozen(x.shape)).toBe(true);
  });
});

describe('refusals of a backend', () => {
  it('come as UnsupportedOpError with shapes, dtypes and reason, before the kernel', () => {
    const { ops, calls } = spyBackend({
      supports: ({ op }) => (op === 'permute' ? { reason: 'no rank above 1' } : true),
    });
    const { i23 } = inputs(ops);
    expect(() => ops.permute(i23, [1, 0])).toThrow(UnsupportedOpError);
    expect(() => ops.permute(i23, [1, 0])).toThrow(
      'reference does not support permute(int32[2, 3]): no rank above 1',
    );
    expect(calls).toEqual([]);
  });

  it('of a fused kernel lead to the composition, as does `fused: false`', async () => {
    let used = 0;
    const fused = {
      silu: () => {
        used++;
        return Float32Array.of(1, 2, 3);
      },
    };
    const values = async (backend: ReturnType<typeof spyBackend>['backend'], options = {}) => {
      const ops = new TensorOps(backend, options);
      return [...(await ops.read(silu(ops, ops.tensor([0, 0, 0], [3]))))];
    };
    expect(await values(spyBackend({ fused }).backend)).toEqual([1, 2, 3]);
    expect(used).toBe(1);
    expect(await values(spyBackend({ fused }).backend, { fused: false })).toEqual([0, 0, 0]);
    const refusing = spyBackend({
      fused,
      supports: ({ op }) => (op === 'silu' ? { reason: 'slow' } : true),
    });
    expect(await values(refusing.backend)).toEqual([0, 0, 0]);
    expect(used).toBe(1);
  });
});

describe('an alias', () => {
  it('carries gradients to what it views', async () => {
    const { ops } = spyBackend();
    const x = ops.tensor([3], [1]);
    const { gradients } = withGradients(ops, [x], (o) => o.sum(o.square(o.alias(x))));
    expect([...(await ops.read(gradients[0]!))]).toEqual([6]);
  });
});

describe('readScalar', () => {
  it('needs one element', async () => {
    const { ops } = spyBackend();
    await expect(ops.readScalar(ops.fill([2], 1))).rejects.toThrow(ShapeError);
    await expect(ops.readScalar(ops.fill([1, 1], 7))).resolves.toBe(7);
  });
});
