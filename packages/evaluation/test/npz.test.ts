import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FileFormatError, InputError } from '@vq4dit/core';
import fc from 'fast-check';
import { afterAll, describe, expect, it } from 'vitest';
import { openNpz, statisticsOf } from '../src/index.ts';
import { golden, openGolden } from './support/goldens.ts';

const folder = mkdtempSync(join(tmpdir(), 'npz-'));
afterAll(() => rmSync(folder, { recursive: true }));
const path = (file: string) => fileURLToPath(golden(file));

describe('archives of NumPy', () => {
  it('are read, compressed or not', async () => {
    const file = await openNpz(path('batch.npz'));
    expect(file.names()).toEqual(['arr_0', 'mu', 'sigma', 'labels']);
    const images = await file.read('arr_0');
    expect(images).toMatchObject({ dtype: 'uint8', shape: [2, 20, 24, 3] });
    const recorded = await (await openGolden('inception-narrow.golden.safetensors')).read('images');
    expect(Buffer.compare(images.values as Uint8Array, recorded.data)).toBe(0);
    expect([...(await file.read('labels')).values]).toEqual([3, 999]);

    const metrics = await openGolden('metrics.safetensors');
    const { mean, covariance } = statisticsOf(await metrics.readFloat32('real'), 24);
    const [mu, sigma] = [await file.read('mu'), await file.read('sigma')];
    for (const [i, value] of mean.entries()) expect(value).toBeCloseTo(mu.values[i]!, 12);
    for (const [i, value] of covariance.entries()) {
      expect(value).toBeCloseTo(sigma.values[i]!, 10);
    }
    file.close();

    const compressed = await openNpz(path('batch-compressed.npz'));
    expect((await compressed.read('arr_0')).values).toEqual(images.values);
    compressed.close();
  });

  it('are refused in one sentence where they are broken', async () => {
    const whole = readFileSync(path('batch.npz'));
    const broken = join(folder, 'broken.npz');
    const open = async (bytes: Uint8Array) => {
      writeFileSync(broken, bytes);
      const file = await openNpz(broken);
      try {
        for (const name of ['arr_0', 'mu', 'sigma', 'labels']) await file.read(name);
      } finally {
        file.close();
      }
    };
    await expect(openNpz(join(folder, 'missing.npz'))).rejects.toThrow(InputError);
    await expect(open(whole.subarray(0, 1000))).rejects.toThrow(FileFormatError);
    await expect(open(new Uint8Array(0))).rejects.toThrow(FileFormatError);
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 0, max: whole.length - 1 }),
        fc.integer({ min: 1, max: 255 }),
        async (at, change) => {
          const bytes = Uint8Array.from(whole);
          bytes[at] = bytes[at]! ^ change;
          // A changed element is another element; everything else must be told or make no difference.
          await open(bytes).catch((error) => expect(error).toBeInstanceOf(FileFormatError));
        },
      ),
      { numRuns: 150 },
    );
    const file = await openNpz(path('batch.npz'));
    await expect(file.read('arr_7')).rejects.toThrow(
      'there is no array arr_7; it holds: arr_0, mu',
    );
    file.close();
  });
});
