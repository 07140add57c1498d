import { createReferenceBackend } from '@vq4dit/backend-reference';
import { InterruptedError, RandomStream, TensorOps } from '@vq4dit/core';
import { type DiTConfig, DiTWeights, expectedTensors, type TensorSource } from '@vq4dit/dit';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type TrajectoryErrorOptions, trajectoryError } from '../src/index.ts';

const CONFIG: DiTConfig = {
  inputSize: 4,
  patchSize: 2,
  inChannels: 1,
  hiddenSize: 8,
  depth: 2,
  numHeads: 2,
  mlpRatio: 2,
  classDropoutProb: 0.1,
  numClasses: 3,
  learnSigma: true,
};

const OPTIONS: TrajectoryErrorOptions = { steps: 3, labels: [0, 1], repeats: 2, seed: 5 };

type Change = (value: number, name: string, index: number) => number;

/** A model of random weights, each of which may be changed. */
function source(change: Change = (value) => value): TensorSource {
  const shapes = expectedTensors(CONFIG);
  return {
    names: () => [...shapes.keys()],
    entry: (name) => ({ shape: shapes.get(name)! }),
    async readFloat32(name) {
      const shape = shapes.get(name)!;
      const random = new RandomStream(1, name);
      const scale = 1.7 / Math.sqrt(shape.at(-1)!);
      return Float32Array.from({ length: shape.reduce((a, b) => a * b, 1) }, (_, i) =>
        change(scale * (2 * random.uniform() - 1), name, i),
      );
    },
  };
}

/** Every block weight moved by this share of its size, up or down. */
function perturbed(share: number): TensorSource {
  return source((value, name, i) => {
    if (!name.startsWith('blocks.')) return value;
    return value * (1 + share * (new RandomStream(2, name, i).uniform() < 0.5 ? -1 : 1));
  });
}

describe('trajectoryError', () => {
  let ops: TensorOps;
  let original: DiTWeights;
  let live: number;

  beforeEach(async () => {
    ops = new TensorOps(createReferenceBackend());
    original = await DiTWeights.load(ops, CONFIG, source());
    live = ops.memory().liveTensors;
  });
  afterEach(() => {
    expect(ops.memory().liveTensors).toBe(live);
  });

  async function errorOf(changed: TensorSource, options: Partial<TrajectoryErrorOptions> = {}) {
    using other = await DiTWeights.load(ops, CONFIG, changed);
    return await trajectoryError(ops, original, other, { ...OPTIONS, ...options });
  }

  it('is exactly 0 for the same weights', async () => {
    const error = await errorOf(source());
    expect(error).toMatchObject({ block: 0, eps: 0, perBlock: [0, 0], epsPerTimestep: [0, 0, 0] });
    expect(error.timesteps).toHaveLength(3);
    expect([...error.timesteps].sort((a, b) => b - a)).toEqual(error.timesteps);
    expect(error.timesteps[0]).toBe(999);
    expect(error.timesteps[2]).toBe(0);
  });

  it('grows with the perturbation, and for small ones with its square', async () => {
    const errors = [];
    for (const share of [1e-3, 2e-3, 1e-2, 1e-1]) errors.push(await errorOf(perturbed(share)));
    for (const key of ['block', 'eps'] as const) {
      const values = errors.map((error) => error[key]);
      for (let i = 1; i < values.length; i++) expect(values[i]).toBeGreaterThan(values[i - 1]!);
      // The output is smooth: what is not quadratic is of the order of the share itself.
      expect(values[1]! / values[0]!).toBeCloseTo(4, 1);
    }
  });

  it('is the square of what is added to the predicted noise, and nothing of the variance', async () => {
    // Patches of 2 x 2 pixels and 2 channels, the noise first: outputs 0, 2, 4, 6 are noise.
    const shifted = (channel: number) =>
      source((value, name, i) =>
        name === 'final_layer.linear.bias' && i % 2 === channel ? value + 0.5 : value,
      );
    const noise = await errorOf(shifted(0));
    expect(noise.block).toBe(0);
    expect(noise.eps).toBeCloseTo(0.25, 5);
    for (const value of noise.epsPerTimestep) expect(value).toBeCloseTo(0.25, 5);
    expect(await errorOf(shifted(1))).toMatchObject({ block: 0, eps: 0 });
  });

  it('has every image count alike, in whatever order the others of its batch come', async () => {
    // The noise belongs to the place in the batch, so what image 2 adds must not depend on 0 and 1.
    const changed = perturbed(0.05);
    const share = async (first: number, second: number) => {
      const one = { repeats: 1 };
      const two = await errorOf(changed, { ...one, labels: [first, second] });
      const three = await errorOf(changed, { ...one, labels: [first, second, 2] });
      return { block: 3 * three.block - 2 * two.block, eps: 3 * three.eps - 2 * two.eps };
    };
    const [a, b] = [await share(0, 1), await share(1, 0)];
    expect(a.block).toBeGreaterThan(0);
    // The parts that cancel are about as large as the rest: some roundings of float32, 6e-8 each.
    expect(Math.abs(a.block / b.block - 1)).toBeLessThan(1e-5);
    expect(Math.abs(a.eps / b.eps - 1)).toBeLessThan(1e-5);
  });

  it('tells its steps, averages them, and depends on the seed alone', async () => {
    const changed = perturbed(0.05);
    const told: number[] = [];
    const error = await errorOf(changed, { onStep: (done, total) => told.push(done, total) });
    expect(told).toEqual([1, 6, 2, 6, 3, 6, 4, 6, 5, 6, 6, 6]);
    const mean = (values: readonly number[]) => values.reduce((a, b) => a + b, 0) / values.length;
    expect(error.block).toBeCloseTo(mean(error.perBlock), 12);
    expect(error.eps).toBeCloseTo(mean(error.epsPerTimestep), 12);
    expect(await errorOf(changed)).toEqual(error);
    expect((await errorOf(changed, { seed: 6 })).block).not.toBe(error.block);
  });

  it('stops when it is told to, and frees what it holds', async () => {
    const controller = new AbortController();
    const stopped = errorOf(perturbed(0.1), {
      signal: controller.signal,
      onStep: (done) => {
        if (done === 2) controller.abort();
      },
    });
    await expect(stopped).rejects.toThrow(InterruptedError);
  });
});
