import { type Shape, sizeOf } from '@vq4dit/core';
import fc from 'fast-check';
import { floats, type HostTensor, ints } from './host-tensor.ts';

/** Shapes of up to `maxRank` dimensions and about `maxSize` elements. */
export function shapes(maxRank: number, maxSize: number): fc.Arbitrary<number[]> {
  return fc.array(fc.integer({ min: 1, max: 9 }), { maxLength: maxRank }).map((shape) => {
    let size = 1;
    return shape.map((dim) => {
      const kept = size * dim > maxSize ? 1 : dim;
      size *= kept;
      return kept;
    });
  });
}

/**
 * float32 numbers of a range, without those below 2^-20 in size: their products would be lost in
 * denormals, which is another case's matter.
 */
export function finite(min: number, max: number): fc.Arbitrary<number> {
  return fc
    .float({ min: Math.fround(min), max: Math.fround(max), noNaN: true, noDefaultInfinity: true })
    .map((x) => (Math.abs(x) < 2 ** -20 ? Math.max(0, Math.fround(min)) : x));
}

/** A float32 tensor of one shape. */
export function floatTensor(shape: Shape, value: fc.Arbitrary<number>): fc.Arbitrary<HostTensor> {
  const size = sizeOf(shape);
  return fc
    .array(value, { minLength: size, maxLength: size })
    .map((values) => floats(shape, values));
}

/** An int32 tensor of numbers from 0 to below `limit`. */
export function indexTensor(shape: Shape, limit: number): fc.Arbitrary<HostTensor> {
  const size = sizeOf(shape);
  return fc
    .array(fc.nat(limit - 1), { minLength: size, maxLength: size })
    .map((values) => ints(shape, values));
}
