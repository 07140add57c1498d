import { type Shape, sizeOf } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  expectSameBits,
  type Host,
  host,
  integers,
  normal,
  useDevices,
} from './support/devices.ts';

const devices = useDevices();

/** Every element another bit pattern, many of them NaN or denormal as floats: copies keep all. */
const distinct = (shape: Shape) =>
  host(
    Int32Array.from({ length: sizeOf(shape) }, (_, i) => Math.imul(i + 1, 0x9e3779b1)),
    shape,
  );

/** Steps of a row-major tensor. */
const stepsOf = (shape: Shape) => shape.map((_, i) => sizeOf(shape.slice(i + 1)));

/** The elements at `from + sum position_i steps_i` for all positions of `shape`, in order. */
function pick(x: Host, shape: Shape, steps: readonly number[], from = 0): Int32Array {
  const out = new Int32Array(sizeOf(shape));
  const position = shape.map(() => 0);
  let at = from;
  for (let i = 0; i < out.length; i++) {
    out[i] = x.data[at]!;
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      at += steps[axis]!;
      if (++position[axis]! < shape[axis]!) break;
      at -= position[axis]! * steps[axis]!;
      position[axis] = 0;
    }
  }
  return out;
}

const options = { dtype: 'int32', sameBits: true } as const;

describe('permute', () => {
  function expectRight(shape: Shape, axes: readonly number[]): void {
    const x = distinct(shape);
    const out = axes.map((axis) => shape[axis]!);
    const [got] = devices.run((kernels, [t]) => kernels.permute(t!, axes), [x], out, options);
    const steps = stepsOf(shape);
    const want = pick(
      x,
      out,
      axes.map((axis) => steps[axis]!),
    );
    expectSameBits(got!, want);
  }

  const CASES: readonly (readonly [Shape, readonly number[]])[] = [
    [
      [2, 49, 12, 64],
      [0, 2, 1, 3],
    ],
    [
      [3, 50, 7, 3],
      [0, 2, 1, 3],
    ],
    [
      [700, 333],
      [1, 0],
    ],
    [
      [3, 70_001],
      [1, 0],
    ],
    [
      [70_001, 3],
      [1, 0],
    ],
    [
      [4, 4096, 17],
      [0, 2, 1],
    ],
    [
      [20, 4, 196],
      [0, 2, 1],
    ],
    [
      [2, 49, 12, 33],
      [0, 2, 3, 1],
    ],
    [
      [2, 7, 7, 2, 2, 4],
      [0, 5, 1, 3, 2, 4],
    ],
    [
      [2, 4, 7, 2, 7, 2],
      [0, 2, 4, 3, 5, 1],
    ],
    [
      [50, 60, 70],
      [2, 1, 0],
    ],
    [[100_003], [0]],
    [
      [2, 1, 100, 1, 300],
      [3, 4, 1, 2, 0],
    ],
  ];

  it.each(CASES)('moves %j by %j', (shape, axes) => expectRight(shape, axes));

  it('moves any shape by any order', () => {
    const shapes = fc.array(fc.constantFrom(1, 2, 3, 4, 5, 8, 17), { minLength: 1, maxLength: 5 });
    const cases = shapes.chain((shape) => {
      const axes = shape.map((_, i) => i);
      return fc.tuple(fc.constant(shape), fc.shuffledSubarray(axes, { minLength: axes.length }));
    });
    fc.assert(
      fc.property(cases, ([shape, axes]) => expectRight(shape, axes)),
      { numRuns: 150 },
    );
  });

  it('transposes every size of a tile', () => {
    for (let rows = 1; rows <= 35; rows += 2) {
      for (let columns = 1; columns <= 35; columns++) expectRight([2, rows, columns], [0, 2, 1]);
    }
  });

  it('walks more axes than fit into the arguments', () => {
    const shape = new Array<number>(18).fill(2);
    expectRight(
      shape,
      shape.map((_, i) => shape.length - 1 - i),
    );
  });
});

describe('slice', () => {
  function expectRight(shape: Shape, begin: readonly number[], size: Shape): void {
    const x = distinct(shape);
    const [got] = devices.run((kernels, [t]) => kernels.slice(t!, begin, size), [x], size, options);
    const steps = stepsOf(shape);
    const from = begin.reduce((sum, at, i) => sum + at * steps[i]!, 0);
    expectSameBits(got!, pick(x, size, steps, from));
  }

  const CASES: readonly (readonly [Shape, readonly number[], Shape])[] = [
    [[100_003], [1], [100_001]],
    [
      [20, 49, 576],
      [0, 0, 192],
      [20, 49, 192],
    ],
    [
      [980, 576],
      [0, 575],
      [980, 1],
    ],
    [
      [300, 301],
      [7, 3],
      [200, 150],
    ],
    [
      [5, 60, 70, 3],
      [1, 2, 3, 1],
      [4, 58, 60, 2],
    ],
    [
      [2, 200_000],
      [1, 3],
      [1, 199_990],
    ],
  ];

  it.each(CASES)('of %j from %j, %j', (shape, begin, size) => expectRight(shape, begin, size));

  it('of any shape', () => {
    const cut = fc.tuple(fc.nat(4), fc.integer({ min: 1, max: 9 }), fc.nat(3));
    fc.assert(
      fc.property(fc.array(cut, { minLength: 1, maxLength: 4 }), (cuts) => {
        expectRight(
          cuts.map(([before, size, after]) => before + size + after),
          cuts.map(([before]) => before),
          cuts.map(([, size]) => size),
        );
      }),
      { numRuns: 100 },
    );
  });
});

describe('concat', () => {
  function expectRight(outer: number, lengths: readonly number[], inner: number): void {
    const parts = lengths.map((length, i) => {
      const { data, shape } = distinct([outer, length, inner]);
      return host(
        data.map((word) => word ^ i),
        shape,
      );
    });
    const total = lengths.reduce((a, b) => a + b, 0);
    const shape = [outer, total, inner];
    const want = new Int32Array(sizeOf(shape));
    let at = 0;
    for (let o = 0; o < outer; o++) {
      for (const part of parts) {
        const bytes = part.shape[1]! * inner;
        want.set(part.data.subarray(o * bytes, (o + 1) * bytes), at);
        at += bytes;
      }
    }
    const [got] = devices.run((kernels, xs) => kernels.concat(xs, 1), parts, shape, options);
    expectSameBits(got!, want);
  }

  it('joins parts of any length', () => {
    expectRight(1, [70_001, 3, 50_000], 1);
    expectRight(980, [192, 192, 192], 1);
    expectRight(1000, [1, 1], 1);
    expectRight(20, [49, 1], 192);
    const length = fc.integer({ min: 1, max: 20 });
    const lengths = fc.array(length, { minLength: 2, maxLength: 5 });
    fc.assert(fc.property(length, lengths, length, expectRight), { numRuns: 60 });
  });
});

describe('gatherRows', () => {
  it.each([1, 2, 3, 4, 5, 8, 17, 64, 127, 128, 1152])('takes rows of %i', (d) => {
    const x = distinct([300, d]);
    const count = Math.ceil(70_000 / d);
    const indices = integers([count], 300);
    const [got] = devices.run(
      (kernels, [t, i]) => kernels.gatherRows(t!, i!),
      [x, indices],
      [count, d],
      options,
    );
    const want = new Int32Array(count * d);
    indices.data.forEach((row, i) => {
      want.set(x.data.subarray(row * d, (row + 1) * d), i * d);
    });
    expectSameBits(got!, want);
  });
});

describe('scatterAddRows', () => {
  // A codebook's gradient, embeddings, long rows, and what lies between.
  const CASES = [
    [100_000, 256, 4],
    [30_000, 64, 2],
    [50_000, 16, 1],
    [20, 1001, 192],
    [300, 20, 1152],
    [5000, 3000, 5],
    [40_000, 100, 7],
    [70_000, 1, 3],
    [1, 5, 300],
  ] as const;

  const scatter = (updates: Host, indices: Host, rows: number) =>
    devices.run(
      (kernels, [u, i]) => kernels.scatterAddRows(u!, i!, rows),
      [updates, indices],
      [rows, updates.shape[1]!],
      { sameBits: true },
    )[0]!;

  it.each(CASES)('adds %i rows to %i of %i', (count, rows, d) => {
    const indices = integers([count], rows);
    // Whole numbers, whose sums are not rounded.
    const updates = host(
      Float32Array.from(integers([count, d], 9).data, (value) => value - 4),
      [count, d],
    );
    const want = new Float32Array(rows * d);
    updates.data.forEach((value, i) => {
      want[indices.data[Math.floor(i / d)]! * d + (i % d)]! += value;
    });
    const got = scatter(updates, indices, rows);
    for (let j = 0; j < want.length; j++) {
      if (got[j] !== want[j]) expect.fail(`[${j}] is ${got[j]}, not ${want[j]}`);
    }
    // Rounded sums have the same bits on every device.
    scatter(normal([count, d]), indices, rows);
  });

  it('leaves rows that no index names at zero, in memory that was used before', () => {
    for (const { engine } of devices.builds()) {
      const used = engine.allocate(4 * 5000 * 4);
      engine.float32(used, 5000 * 4).fill(7);
      engine.free(used);
    }
    const [got] = devices.run(
      (kernels, [u, i]) => kernels.scatterAddRows(u!, i!, 5000),
      [host(new Float32Array([1, 2, 3, 4]), [1, 4]), host(Int32Array.of(4999))],
      [5000, 4],
      { sameBits: true },
    );
    expect([...got!.slice(-4)]).toEqual([1, 2, 3, 4]);
    expect(got!.slice(0, -4).every((value) => value === 0)).toBe(true);
  });
});
