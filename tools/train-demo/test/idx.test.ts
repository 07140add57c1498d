import { mkdtemp, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { FileFormatError, InputError } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { IMAGES_FILE, LABELS_FILE, loadDataset } from '../src/dataset.ts';
import { parseIdx, readIdx } from '../src/idx.ts';
import { idx } from './support/idx.ts';

const folder = await mkdtemp(join(tmpdir(), 'train-demo-idx-'));

async function file(name: string, bytes: Uint8Array): Promise<string> {
  const path = join(folder, name);
  await writeFile(path, bytes);
  return path;
}

describe('an idx file', () => {
  it('gives its shape and bytes, packed or not', async () => {
    const bytes = idx([2, 3], [1, 2, 3, 4, 5, 255]);
    const expected = { shape: [2, 3], data: Buffer.from([1, 2, 3, 4, 5, 255]) };
    const plain = await readIdx(await file('plain', bytes));
    const packed = await readIdx(await file('packed.gz', gzipSync(bytes)));
    for (const { shape, data } of [plain, packed]) {
      expect({ shape, data: Buffer.from(data) }).toEqual(expected);
    }
  });

  it.each([
    ['is empty', [], 'too few'],
    ['is no idx file', [0x89, 0x50, 0x4e, 0x47], 'two zero bytes'],
    ['holds floats', [0, 0, 0x0d, 1, 0, 0, 0, 1, 0, 0, 0, 0], 'type 0xd'],
    ['has no dimension', [0, 0, 8, 0], '0 dimensions'],
    ['claims 255 dimensions', [0, 0, 8, 255], '255 dimensions'],
    ['ends in its header', [0, 0, 8, 2, 0, 0, 0, 1], 'header'],
    ['has an empty dimension', [0, 0, 8, 1, 0, 0, 0, 0], 'no elements'],
    ['claims 4 GiB', [0, 0, 8, 1, 255, 255, 255, 255, 7], 'truncated'],
    ['claims more than a number holds', [0, 0, 8, 3, ...new Array(12).fill(255)], 'truncated'],
    ['is longer than it says', [0, 0, 8, 1, 0, 0, 0, 1, 7, 7], 'something else'],
  ])('that %s is refused', (_, bytes, why) => {
    const parse = () => parseIdx(Uint8Array.from(bytes), 'images');
    expect(parse).toThrow(FileFormatError);
    expect(parse).toThrow(why);
    expect(parse).toThrow(/^images: /);
  });

  it('of any bytes gives an array that fills it, or a FileFormatError', () => {
    const header = fc.tuple(fc.constant([0, 0, 8]), fc.integer({ min: 0, max: 3 }));
    const small = fc.integer({ min: 0, max: 3 }).map((n) => [0, 0, 0, n]);
    const almost = fc
      .tuple(header, fc.array(small, { maxLength: 3 }), fc.uint8Array({ maxLength: 30 }))
      .map(([[start, n], dims, data]) => Uint8Array.from([...start, n, ...dims.flat(), ...data]));
    fc.assert(
      fc.property(fc.oneof(almost, fc.uint8Array({ maxLength: 40 })), (bytes) => {
        try {
          const { shape, data } = parseIdx(bytes, 'any');
          expect(data.length).toBe(shape.reduce((a, b) => a * b, 1));
          expect(4 + 4 * shape.length + data.length).toBe(bytes.length);
        } catch (error) {
          expect(error).toBeInstanceOf(FileFormatError);
        }
      }),
      { numRuns: 1000 },
    );
  });

  it('that is packed but damaged, or unpacks without end, is refused', async () => {
    const packed = gzipSync(idx([4], [1, 2, 3, 4]));
    const damaged = await file('damaged.gz', packed.subarray(0, packed.length - 6));
    await expect(readIdx(damaged)).rejects.toThrow(/damaged\.gz: .* does not unpack/);
    const bomb = await file('bomb.gz', gzipSync(new Uint8Array((1 << 28) + 1)));
    await expect(readIdx(bomb)).rejects.toThrow(FileFormatError);
  });

  it('that is not there is an InputError', async () => {
    await expect(readIdx(join(folder, 'nothing'))).rejects.toThrow(InputError);
    await expect(readIdx(folder)).rejects.toThrow(InputError);
  });
});

describe('a data set', () => {
  const write = async (images: Uint8Array, labels: Uint8Array) => {
    const path = await mkdtemp(join(folder, 'set-'));
    await writeFile(join(path, IMAGES_FILE), images);
    await writeFile(join(path, `${LABELS_FILE}.gz`), gzipSync(labels));
    return path;
  };
  const images = idx([3, 2, 2], [...Array(12).keys()]);

  it('is images and labels', async () => {
    const set = await loadDataset(await write(images, idx([3], [0, 1, 2])), 3);
    expect(set).toMatchObject({ count: 3, size: 2 });
    expect([...set.images]).toEqual([...Array(12).keys()]);
    expect([...set.labels]).toEqual([0, 1, 2]);
  });

  it.each([
    ['labels of another number', images, idx([2], [0, 1]), 'one label for each of 3 images'],
    [
      'images that are not square',
      idx([3, 1, 2], [...Array(6).keys()]),
      idx([3], [0, 1, 2]),
      'square',
    ],
    ['images of one dimension', idx([3], [0, 1, 2]), idx([3], [0, 1, 2]), 'square'],
    ['a label that no class has', images, idx([3], [0, 1, 3]), 'image 2 has label 3'],
  ])('with %s is refused', async (_, pictures, labels, why) => {
    const path = await write(pictures, labels);
    await expect(loadDataset(path, 3)).rejects.toThrow(FileFormatError);
    await expect(loadDataset(path, 3)).rejects.toThrow(why);
  });

  it('that is not there names the files that are wanted', async () => {
    await expect(loadDataset(folder, 10)).rejects.toThrow(/neither train-images-idx3-ubyte nor/);
  });
});
