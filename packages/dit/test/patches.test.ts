import { createReferenceBackend } from '@vq4dit/backend-reference';
import { type Backend, ShapeError, TensorOps } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { patchify, unpatchify } from '../src/index.ts';

const ops = new TensorOps(createReferenceBackend() as Backend);
const images = fc.record({
  n: fc.integer({ min: 1, max: 2 }),
  c: fc.integer({ min: 1, max: 4 }),
  side: fc.integer({ min: 1, max: 4 }),
  p: fc.integer({ min: 1, max: 4 }),
});

const counting = (size: number) => Float32Array.from({ length: size }, (_, i) => i);

describe('patches', () => {
  it('hold the pixels of their square, channel by channel', async () => {
    await fc.assert(
      fc.asyncProperty(images, async ({ n, c, side, p }) => {
        const size = side * p;
        const x = ops.tensor(counting(n * c * size * size), [n, c, size, size]);
        const patches = patchify(ops, x, p);
        expect(patches.shape).toEqual([n, side * side, c * p * p]);
        const expected: number[] = [];
        for (let image = 0; image < n; image++)
          for (let row = 0; row < side; row++)
            for (let column = 0; column < side; column++)
              for (let channel = 0; channel < c; channel++)
                for (let a = 0; a < p; a++)
                  for (let b = 0; b < p; b++)
                    expected.push(
                      ((image * c + channel) * size + row * p + a) * size + column * p + b,
                    );
        expect([...(await ops.read(patches))]).toEqual(expected);
      }),
      { numRuns: 30 },
    );
  });

  it('put together give the image again, once the channel is moved to the end', async () => {
    await fc.assert(
      fc.asyncProperty(images, async ({ n, c, side, p }) => {
        const values = counting(n * c * (side * p) ** 2);
        const again = await ops.scope(async (s) => {
          const x = s.tensor(values, [n, c, side * p, side * p]);
          const split = s.reshape(patchify(s, x, p), [n, side * side, c, p, p]);
          const moved = s.permute(split, [0, 1, 3, 4, 2]);
          return s.read(unpatchify(s, s.reshape(moved, [n, side * side, p * p * c]), p, c));
        });
        expect(again).toEqual(values);
      }),
      { numRuns: 30 },
    );
  });

  it('are refused where they do not tile the image', () => {
    expect(() => patchify(ops, ops.fill([1, 1, 4, 6], 0), 4)).toThrow(ShapeError);
    expect(() => patchify(ops, ops.fill([4, 4], 0), 2)).toThrow(ShapeError);
    expect(() => unpatchify(ops, ops.fill([1, 3, 4], 0), 2, 1)).toThrow(ShapeError);
    expect(() => unpatchify(ops, ops.fill([1, 4, 5], 0), 2, 1)).toThrow(ShapeError);
  });
});
