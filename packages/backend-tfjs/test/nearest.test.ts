import { createReferenceBackend } from '@vq4dit/backend-reference';
import { TensorOps } from '@vq4dit/core';
import { expect, it } from 'vitest';
import { EngineDevice } from '../src/engine-device.ts';
import { nearest } from '../src/nearest.ts';
import { DEVICES, tf, wave } from './support/devices.ts';

// Without host memory the distance table is built in pieces; here of 1, 7 and all rows.
it.each([1, 7 * 16, 2 ** 20])(
  'finds the same codewords with a table of %i elements',
  async (limit) => {
    await DEVICES['tfjs-cpu']!();
    const [rows, d, k, n] = [23, 3, 16, 4];
    const reference = new TensorOps(createReferenceBackend());
    const x = reference.tensor(wave(rows * d), [rows, d]);
    const words = wave(k * d, 1.7);
    words.set(words.subarray(0, d), 5 * d); // codeword 5 is codeword 0 again: a tie
    const codebook = reference.tensor(words, [k, d]);
    const want = reference.nearest(x, codebook, n);

    const device = new EngineDevice(tf, 'cpu');
    const before = device.liveTensors();
    const upload = (data: Float32Array, shape: number[]) =>
      ({ handle: device.upload(data, shape, 'float32'), shape, dtype: 'float32' }) as const;
    const inputs = [upload(wave(rows * d), [rows, d]), upload(words, [k, d])] as const;
    const got = nearest(device, ...inputs, n, limit);
    expect(await device.read(got.indices)).toEqual(await reference.readIndices(want.indices));
    const distances = await reference.read(want.distances);
    // d roundings of positive terms, each of 2^-24 of a distance below 12.
    for (const [i, x] of (await device.read(got.distances)).entries()) {
      expect(Math.abs(x - distances[i]!)).toBeLessThan(4 * d * 12 * 2 ** -24);
    }
    for (const info of [got.indices, got.distances, ...inputs.map((x) => x.handle)])
      device.free(info);
    expect(device.liveTensors()).toBe(before);
  },
);
