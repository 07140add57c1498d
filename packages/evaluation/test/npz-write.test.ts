import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ArgumentError } from '@vq4dit/core';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { npzImages, npzStatistics, openNpz, writeNpz } from '../src/index.ts';
import { encodeNpyValues } from '../src/npz/encode.ts';
import { NPY_BYTES, type NpyDType } from '../src/npz/npy.ts';

const folder = mkdtempSync(join(tmpdir(), 'npz-write-'));
afterAll(() => rmSync(folder, { recursive: true }));

const VALUES = {
  uint8: fc.integer({ min: 0, max: 255 }),
  int64: fc.maxSafeInteger(),
  float32: fc.float({ noNaN: true }),
  float64: fc.double({ noNaN: true }),
};

const array = fc
  .record({
    dtype: fc.constantFrom<NpyDType>('uint8', 'int64', 'float32', 'float64'),
    shape: fc.array(fc.integer({ min: 0, max: 4 }), { maxLength: 4 }),
  })
  .chain(({ dtype, shape }) => {
    const length = shape.reduce((a, b) => a * b, 1);
    return fc.record({
      dtype: fc.constant(dtype),
      shape: fc.constant(shape),
      values: fc.array(VALUES[dtype], { minLength: length, maxLength: length }),
      cut: fc.nat(length * NPY_BYTES[dtype]),
    });
  });

describe('writing archives of NumPy', () => {
  it('gives back every array, whatever the pieces that it came in', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(array, { minLength: 1, maxLength: 4 }), async (arrays) => {
        const path = join(folder, 'any.npz');
        await writeNpz(
          path,
          arrays.map(({ dtype, shape, values, cut }, i) => ({
            ...{ name: `arr_${i}`, dtype, shape },
            *data() {
              const bytes = encodeNpyValues(values, dtype);
              yield bytes.subarray(0, cut);
              yield bytes.subarray(cut);
            },
          })),
        );
        const file = await openNpz(path);
        try {
          expect(file.names()).toEqual(arrays.map((_, i) => `arr_${i}`));
          for (const [i, { dtype, shape, values }] of arrays.entries()) {
            const read = await file.read(`arr_${i}`);
            expect(read).toMatchObject({ dtype, shape });
            // Integers have no negative zero.
            expect([...read.values]).toEqual(values.map((v) => (dtype === 'int64' ? v + 0 : v)));
          }
        } finally {
          file.close();
        }
      }),
      { numRuns: 60 },
    );
  });

  it('leaves nothing behind where an array is too short or too long', async () => {
    const path = join(folder, 'wrong.npz');
    for (const bytes of [3, 5]) {
      const entry = { name: 'a', dtype: 'uint8' as const, shape: [4] };
      await expect(
        writeNpz(path, [{ ...entry, data: () => [new Uint8Array(bytes)] }]),
      ).rejects.toThrow(ArgumentError);
    }
    expect(readdirSync(folder).filter((name) => name.includes('wrong'))).toEqual([]);
  });

  it('streams images from any number on, and reads the statistics of a reference batch', async () => {
    const path = join(folder, 'batch.npz');
    const pixels = Uint8Array.from({ length: 7 * 2 * 3 * 3 }, (_, i) => (i * 37) % 251);
    await writeNpz(path, [
      { name: 'arr_0', dtype: 'uint8', shape: [7, 2, 3, 3], data: () => [pixels] },
      {
        name: 'mu',
        dtype: 'float64',
        shape: [2],
        data: () => [encodeNpyValues([1, 2], 'float64')],
      },
      {
        ...{ name: 'sigma', dtype: 'float64', shape: [2, 2] },
        data: () => [encodeNpyValues([1, 0.5, 0.5, 2], 'float64')],
      },
    ]);
    const file = await openNpz(path);
    const source = await npzImages(file);
    expect(source.count).toBe(7);
    for (let from = 0; from < 7; from++) {
      for (const size of [1, 2, 7]) {
        const seen: number[] = [];
        for await (const batch of source.batches(from, 6, size)) {
          expect(batch.count).toBeLessThanOrEqual(size);
          seen.push(...batch.values);
        }
        expect(seen).toEqual([...pixels.subarray(from * 18, 6 * 18)]);
      }
    }
    const beyond = source.batches(0, 8, 4)[Symbol.asyncIterator]();
    await expect(beyond.next()).rejects.toThrow('there are 7 images, but 8 were asked for');
    const { statistics, spatial } = await npzStatistics(file);
    expect([...statistics!.covariance]).toEqual([1, 0.5, 0.5, 2]);
    expect(spatial).toBeUndefined();
    file.close();
  });

  it('is read by NumPy', ({ skip }) => {
    const script = `import numpy as np
f = np.load(${JSON.stringify(join(folder, 'batch.npz'))})
assert f['arr_0'].shape == (7, 2, 3, 3) and f['arr_0'].dtype == np.uint8
assert f['arr_0'].flatten().tolist() == [(i * 37) % 251 for i in range(126)]
assert f['mu'].tolist() == [1, 2] and f['sigma'].tolist() == [[1, .5], [.5, 2]]
print('same')`;
    const python = ['python3', '/usr/bin/python3'].find((command) => {
      const { status } = spawnSync(command, ['-c', 'import numpy'], { stdio: 'ignore' });
      return status === 0;
    });
    if (!python) return skip('There is no NumPy here.');
    expect(execFileSync(python, ['-c', script], { encoding: 'utf8' })).toBe('same\n');
  });
});
