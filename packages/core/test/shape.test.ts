import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  broadcastShapes,
  formatShape,
  ShapeError,
  sameShape,
  sizeOf,
  stridesOf,
} from '../src/index.ts';
import { checkShape, resolveAxis, resolveReshape } from '../src/tensor/shape.ts';

const dims = fc.array(fc.integer({ min: 1, max: 6 }), { maxLength: 5 });

describe('shapes', () => {
  it('have sizes, strides and a text', () => {
    expect(sizeOf([])).toBe(1);
    expect(sizeOf([2, 3, 4])).toBe(24);
    expect(stridesOf([])).toEqual([]);
    expect(stridesOf([2, 3, 4])).toEqual([12, 4, 1]);
    expect(formatShape([2, 3])).toBe('[2, 3]');
    expect(sameShape([2, 3], [2, 3])).toBe(true);
    expect(sameShape([2, 3], [2, 3, 1])).toBe(false);
    expect(sameShape([2, 3], [3, 2])).toBe(false);
  });

  it('have strides that number the elements in row-major order', () => {
    fc.assert(
      fc.property(dims, (shape) => {
        const strides = stridesOf(shape);
        const last = shape.reduce((at, dim, axis) => at + (dim - 1) * strides[axis]!, 0);
        expect(last).toBe(sizeOf(shape) - 1);
      }),
    );
  });

  it.each([[[0]], [[2, -1]], [[1.5]], [[Number.NaN]], [[Number.POSITIVE_INFINITY]]])(
    'with a dimension like %j are refused',
    (shape) => {
      expect(() => checkShape(shape, 'here')).toThrow(ShapeError);
      expect(() => checkShape(shape, 'here')).toThrow(/^here: .*positive integer/);
    },
  );
});

describe('broadcasting', () => {
  it.each([
    [[], [], []],
    [[3], [], [3]],
    [[2, 3], [3], [2, 3]],
    [
      [2, 1],
      [1, 3],
      [2, 3],
    ],
    [
      [4, 1, 3],
      [2, 1],
      [4, 2, 3],
    ],
  ])('%j with %j gives %j', (a, b, out) => {
    expect(broadcastShapes(a, b, 'add')).toEqual(out);
    expect(broadcastShapes(b, a, 'add')).toEqual(out);
  });

  it('refuses what does not fit, and names both shapes', () => {
    expect(() => broadcastShapes([2, 3], [2], 'add')).toThrow(ShapeError);
    expect(() => broadcastShapes([2, 3], [4, 3], 'mul')).toThrow(
      'mul: shapes [2, 3] and [4, 3] do not broadcast.',
    );
  });

  it('stretches ones and nothing else', () => {
    fc.assert(
      fc.property(dims, fc.array(fc.boolean(), { minLength: 5, maxLength: 5 }), (shape, ones) => {
        const squeezed = shape.map((dim, i) => (ones[i] ? 1 : dim));
        expect(broadcastShapes(squeezed, shape, 'add')).toEqual(shape);
        expect(broadcastShapes(shape, shape.slice(1), 'add')).toEqual(shape);
      }),
    );
  });
});

describe('axes', () => {
  it('may count from the end', () => {
    expect(resolveAxis(0, 3, 'sum')).toBe(0);
    expect(resolveAxis(-1, 3, 'sum')).toBe(2);
    expect(resolveAxis(-3, 3, 'sum')).toBe(0);
  });

  it.each([3, -4, 0.5, Number.NaN])('%d of three is refused', (axis) => {
    expect(() => resolveAxis(axis, 3, 'sum')).toThrow(ShapeError);
  });

  it('do not exist in a scalar', () => {
    expect(() => resolveAxis(-1, 0, 'sum')).toThrow('axis -1 does not exist in a tensor of rank 0');
  });
});

describe('reshaping', () => {
  it('resolves one -1', () => {
    expect(resolveReshape([2, 6], [3, -1], 'reshape')).toEqual([3, 4]);
    expect(resolveReshape([2, 6], [-1], 'reshape')).toEqual([12]);
    expect(resolveReshape([], [1, -1, 1], 'reshape')).toEqual([1, 1, 1]);
    expect(resolveReshape([1, 1], [], 'reshape')).toEqual([]);
  });

  it.each([
    [[2, 3], [4], /\[2, 3\] has 6 elements and cannot become \[4\]/],
    [[2, 3], [4, -1], /cannot become \[4, -1\]/],
    [[2, 3], [-1, -1], /positive integer/],
    [[2, 3], [0, -1], /positive integer/],
    [[2, 3], [-2, -3], /positive integer/],
    [[2, 3], [1.5, 4], /positive integer/],
  ])('refuses %j as %j', (from, to, message) => {
    expect(() => resolveReshape(from, to, 'reshape')).toThrow(ShapeError);
    expect(() => resolveReshape(from, to, 'reshape')).toThrow(message);
  });

  it('keeps the number of elements, whichever dimension is left open', () => {
    fc.assert(
      fc.property(dims, fc.nat(4), (shape, open) => {
        const asked = shape.map((dim, i) => (i === open % (shape.length || 1) ? -1 : dim));
        expect(resolveReshape(shape, asked, 'reshape')).toEqual(shape);
      }),
    );
  });
});
