import type { Shape } from '@vq4dit/core';
import fc from 'fast-check';
import { floatTensor, shapes } from '../arbitraries.ts';
import { exact } from '../comparators.ts';
import { bigInts, floats, gaussian, type HostTensor, ints, labels } from '../host-tensor.ts';
import { caseId, type OpCase, type Trial } from '../op-case.ts';

/** Reads back what was uploaded. The alias lives on while the runner frees the tensor itself. */
function roundTrip(x: HostTensor): Trial {
  return {
    description: `upload of ${x.shape.join('x')} [${[...x.data.slice(0, 8)].join(', ')}]`,
    inputs: [x],
    run: (ops, [t]) => [ops.alias(t!)],
    expected: () => [{ shape: x.shape, dtype: x.dtype, values: x.data, compare: exact }],
  };
}

const transfer = (id: string, x: HostTensor): OpCase => ({
  kind: 'value',
  op: 'upload',
  id: `upload(${id})`,
  trial: () => roundTrip(x),
});

const SHAPES: readonly Shape[] = [[], [1], [2], [3], [17], [3, 5], [33, 31], [2, 3, 4, 5], [5000]];

const { NaN: nan, POSITIVE_INFINITY: inf } = Number;
const denormals = [2 ** -149, -(2 ** -149), 2 ** -127, 2 ** -126 - 2 ** -149];

export const transferCases: readonly OpCase[] = [
  ...SHAPES.flatMap((shape) => [
    transfer(caseId('', { shape }).slice(1, -1), labels(shape)),
    transfer(`${caseId('', { shape }).slice(1, -1)},int32`, bigInts(shape)),
  ]),
  transfer('NaN', floats([3], [1, nan, 2])),
  transfer('infinite', floats([3], [inf, 1, -inf])),
  transfer('signedZeros', floats([4], [0, -0, -0, 0])),
  transfer('extremes', floats([4], [2 ** -126, -(2 ** -126), 3.4028234663852886e38, -3e38])),
  transfer('int32Extremes', ints([4], [-(2 ** 31), 2 ** 31 - 1, 0, -1])),
  {
    kind: 'check',
    op: 'upload',
    id: 'upload(denormals)',
    async check({ ops, limits }) {
      const x = ops.tensor(denormals, [4]);
      const got = await ops.read(x);
      x.dispose();
      const flushMayHappen = limits.tiny >= 2 ** -126;
      for (const [i, want] of denormals.entries()) {
        if (got[i] === want || (flushMayHappen && got[i] === 0)) continue;
        return `denormal ${want} was read as ${got[i]}; a backend that flushes denormals must declare it`;
      }
      return undefined;
    },
  },
  {
    kind: 'value',
    op: 'upload',
    id: 'upload(mantissa)',
    // All 24 bits.
    trial: (rng) => roundTrip(gaussian(rng, [1000])),
  },
  {
    kind: 'check',
    op: 'upload',
    id: 'upload(copies)',
    // Neither the uploaded array nor what a read gave is the tensor itself.
    async check({ ops }) {
      const data = Float32Array.of(1, 2, 3);
      const x = ops.tensor(data, [3]);
      data.fill(9);
      const first = await ops.read(x);
      const seen = [...first];
      first.fill(7);
      const second = [...(await ops.read(x))];
      x.dispose();
      if (seen.join() !== '1,2,3') return `the upload shares the caller's array: ${seen}`;
      return second.join() === '1,2,3' ? undefined : `a read gave the tensor itself: ${second}`;
    },
  },
  {
    kind: 'check',
    op: 'upload',
    id: 'upload(subarray)',
    async check({ ops }) {
      const whole = Float32Array.from({ length: 12 }, (_, i) => i);
      const x = ops.tensor(whole.subarray(4, 8), [2, 2]);
      const got = [...(await ops.read(x))];
      x.dispose();
      return got.join() === '4,5,6,7' ? undefined : `a part of an array was uploaded as ${got}`;
    },
  },
  {
    kind: 'check',
    op: 'upload',
    id: 'upload(concurrentReads)',
    async check({ ops }) {
      const xs = Array.from({ length: 8 }, (_, i) => ops.fill([16], i));
      const reads = await Promise.all(xs.map((x) => ops.read(x)));
      for (const x of xs) x.dispose();
      const wrong = reads.findIndex((values, i) => values.some((v) => v !== i));
      return wrong < 0 ? undefined : `read ${wrong} of eight at once gave ${reads[wrong]}`;
    },
  },
  {
    kind: 'property',
    op: 'upload',
    id: 'upload(property)',
    trials: shapes(4, 60)
      .chain((shape) => floatTensor(shape, fc.float({ noNaN: false })))
      // Denormals are another case's matter.
      .map((x) => roundTrip(floats(x.shape, (i) => (isDenormal(x.data[i]!) ? 0 : x.data[i]!)))),
  },
];

function isDenormal(x: number): boolean {
  return Math.abs(x) < 2 ** -126 && x !== 0;
}
