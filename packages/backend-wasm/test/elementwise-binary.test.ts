import { BINARY_OPS, type BinaryOp, broadcastShapes, type Shape, sizeOf } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { expectSameBits, type Host, host, normal, useDevices } from './support/devices.ts';

const devices = useDevices();

const FUNCTIONS: Readonly<Record<BinaryOp, (a: number, b: number) => number>> = {
  add: (a, b) => a + b,
  sub: (a, b) => a - b,
  mul: (a, b) => a * b,
  div: (a, b) => a / b,
  maximum: Math.max,
  minimum: Math.min,
  greater: (a, b) => (a > b ? 1 : 0),
};

/** Every element of the result finds its operands by its position. */
function broadcast(op: BinaryOp, a: Host, b: Host, shape: Shape): Float32Array {
  const f = FUNCTIONS[op];
  const out = new Float32Array(sizeOf(shape));
  const position = shape.map(() => 0);
  const at = ({ data, shape: own }: Host) => {
    let index = 0;
    own.forEach((length, i) => {
      index = index * length + (length === 1 ? 0 : position[shape.length - own.length + i]!);
    });
    return data[index]!;
  };
  for (let i = 0; i < out.length; i++) {
    out[i] = f(at(a), at(b));
    for (let axis = shape.length - 1; axis >= 0; axis--) {
      if (++position[axis]! < shape[axis]!) break;
      position[axis] = 0;
    }
  }
  return out;
}

/** float32 rounds each of these once, as float64 rounded to float32 does; so all bits agree. */
function expectRight(op: BinaryOp, a: Host, b: Host): void {
  const shape = broadcastShapes(a.shape, b.shape, op);
  const [got] = devices.run((kernels, [x, y]) => kernels.binary(op, x!, y!, shape), [a, b], shape, {
    sameBits: true,
  });
  const want = broadcast(op, a, b, shape);
  for (let i = 0; i < want.length; i++) {
    if (Number.isNaN(want[i]!) ? !Number.isNaN(got![i]!) : !Object.is(got![i], want[i])) {
      expect.fail(`${op} of ${a.shape} and ${b.shape}: [${i}] is ${got![i]}, not ${want[i]}`);
    }
  }
}

/** The ways in which the model and its training broadcast, at lengths with and without tails. */
const SHAPES: readonly (readonly [Shape, Shape])[] = [
  [[], []],
  [[40_001], [40_001]],
  [[40_001], []],
  [[], [40_001]],
  [[2, 35_000], [35_000]],
  [[90, 515], [515]],
  [[515], [90, 515]],
  [
    [4, 49, 192],
    [4, 1, 192],
  ],
  [
    [4, 1, 192],
    [4, 49, 192],
  ],
  [
    [2, 100_003],
    [2, 1],
  ],
  [
    [700, 67],
    [700, 1],
  ],
  [
    [700, 1],
    [700, 67],
  ],
  [[700, 1], [67]],
  [[10_000, 4], [4]],
  [[4], [10_000, 4]],
  [
    [12_001, 3],
    [12_001, 1],
  ],
  [
    [12_001, 3],
    [1, 3],
  ],
  [[300, 63], [63]],
  [
    [5, 7, 1, 3],
    [7, 1, 1],
  ],
  [
    [5, 1, 6, 1, 3],
    [4, 1, 2, 1],
  ],
  [
    [3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2],
    [1, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1],
  ],
];

describe.each(BINARY_OPS)('%s', (op) => {
  it('broadcasts as a plain loop does', () => {
    for (const [a, b] of SHAPES) expectRight(op, normal(a, 1), normal(b, 2));
  });

  it('broadcasts any pair of shapes', () => {
    const dims = fc.array(fc.constantFrom(1, 2, 3, 4, 5, 17), { maxLength: 5 });
    const mask = fc.array(fc.boolean(), { minLength: 5, maxLength: 5 });
    fc.assert(
      fc.property(dims, mask, mask, fc.nat(5), (shape, onesA, onesB, dropped) => {
        const a = shape.map((length, i) => (onesA[i] ? 1 : length));
        const b = shape.map((length, i) => (onesB[i] ? 1 : length)).slice(dropped);
        expectRight(op, normal(a, 3), normal(b, 4));
      }),
      { numRuns: 60 },
    );
  });

  it('is right at every length of a vector', () => {
    for (let length = 1; length <= 67; length++) {
      for (const [a, b] of [
        [[length], [length]],
        [
          [3, length],
          [3, 1],
        ],
        [
          [3, 1],
          [3, length],
        ],
        [[3, length], [length]],
      ] as const) {
        expectRight(op, normal(a, length), normal(b, 100 + length));
      }
    }
  });

  it('follows IEEE 754 for zeros, infinities, NaN and denormals', () => {
    const { POSITIVE_INFINITY: inf, NaN: nan } = Number;
    const values = [
      0,
      -0,
      1,
      -1,
      inf,
      -inf,
      nan,
      2 ** -149,
      -(2 ** -149),
      2 ** -126,
      3.4e38,
      -3e38,
    ];
    const column = host(Float32Array.from(values), [values.length, 1]);
    expectRight(op, column, host(Float32Array.from(values)));
  });
});

it('walks more axes than fit into the arguments', () => {
  // 19 axes of which no two can be joined.
  const a = Array.from({ length: 19 }, (_, i) => (i % 2 ? 1 : 2));
  const b = Array.from({ length: 19 }, (_, i) => (i % 2 ? 2 : 1));
  expectRight('sub', normal(a, 1), normal(b, 2));
});

it('takes any address that is a multiple of 4', () => {
  for (const { engine } of devices.builds()) {
    const [x, y] = [normal([50], 1).data, normal([50], 2).data];
    const memory = engine.allocate(2048);
    const run = (a: number, b: number, out: number) => {
      engine.float32(a, 50).set(x as Float32Array);
      engine.float32(b, 50).set(y as Float32Array);
      engine.run('binary_div', [a, b, out, 1, 50, 0, 1, 1, 50, 1, 0, 1, 1, 0, 0], 1);
      return new Float32Array(engine.float32(out, 50));
    };
    const want = run(memory, memory + 256, memory + 512);
    expectSameBits(run(memory + 4, memory + 256 + 8, memory + 512 + 12), want);
    expectSameBits(run(memory + 12, memory + 256 + 4, memory + 512 + 8), want);
    engine.free(memory);
  }
});
