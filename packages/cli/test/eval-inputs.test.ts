import { join } from 'node:path';
import { createReferenceBackend } from '@vq4dit/backend-reference';
import { openModel } from '@vq4dit/checkpoint';
import { RandomStream, TensorOps } from '@vq4dit/core';
import { DiTWeights, zeroDataSource } from '@vq4dit/dit';
import { trajectoryError } from '@vq4dit/evaluation';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { sampledImages } from '../src/eval/sampled-images.ts';
import { temporaryFolder, writeModel } from './support/models.ts';

const ops = new TensorOps(createReferenceBackend());
const model = await openModel(await writeModel(join(await temporaryFolder(), 'model')));
const signal = new AbortController().signal;

afterEach(() => void vi.restoreAllMocks());

/** The noise that is drawn while something runs, as text. */
async function noiseOf(body: () => Promise<unknown>): Promise<Set<string>> {
  const drawn = new Set<string>();
  const { fillNormal } = RandomStream.prototype;
  const spy = vi.spyOn(RandomStream.prototype, 'fillNormal').mockImplementation(function (
    this: RandomStream,
    out: Float32Array,
  ) {
    const filled = fillNormal.call(this, out);
    drawn.add(out.join());
    return filled as Float32Array;
  } as typeof fillNormal);
  await body();
  spy.mockRestore();
  return drawn;
}

async function draw(seed: number): Promise<void> {
  const settings = { sampler: 'ddpm', steps: 3, guidance: 1, seed } as const;
  const source = sampledImages({ ops, model, settings, signal });
  for await (const batch of source.batches(0, 8, 8)) expect(batch.count).toBe(8);
}

async function calibrate(seed: number): Promise<void> {
  using weights = await DiTWeights.load(ops, model.config, model);
  const options = { seed, steps: 3, batch: 4, cfgScale: 1, nullShare: 0.15 };
  const source = zeroDataSource(weights, options);
  for (let i = 0; i < 2; i++) {
    for await (const step of source.trajectory(ops, i)) expect(step.timestep).toBeLessThan(1000);
  }
}

async function measure(seed: number): Promise<void> {
  using weights = await DiTWeights.load(ops, model.config, model);
  await trajectoryError(ops, weights, weights, { seed, steps: 3, labels: [0, 1], repeats: 2 });
}

describe('noise of an evaluation', () => {
  it('is never noise of a calibration, with equal seeds or others', async () => {
    const calibration = new Set<string>();
    for (const seed of [0, 1]) {
      for (const noise of await noiseOf(() => calibrate(seed))) calibration.add(noise);
    }
    // 4 images of 2 trajectories: the first noise, and that of 2 steps (the last step has none).
    expect(calibration.size).toBe(2 * 2 * 4 * 3);
    for (const seed of [0, 1]) {
      const images = await noiseOf(() => draw(seed));
      expect(images.size).toBe(8 * 3);
      const errors = await noiseOf(() => measure(seed));
      for (const noise of [...images, ...errors]) expect(calibration.has(noise)).toBe(false);
    }
  });

  it('is the same for equal seeds: the test above can see equal noise', async () => {
    expect(await noiseOf(() => draw(3))).toEqual(await noiseOf(() => draw(3)));
  });
});
