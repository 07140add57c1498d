import { createReferenceBackend } from '@vq4dit/backend-reference';
import {
  ArgumentError,
  type Backend,
  InterruptedError,
  NonFiniteError,
  TensorOps,
} from '@vq4dit/core';
import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';
import {
  DiTWeights,
  diffusionSchedule,
  predict,
  sample,
  sampleSteps,
  seededNoise,
  walkTrajectory,
} from '../src/index.ts';
import { expectClose } from './support/compare.ts';
import { randomSource, SMALL, smallConfigs } from './support/random-model.ts';

const ops = new TensorOps(createReferenceBackend() as Backend);
const noise = seededNoise(1);
let model: DiTWeights;
beforeAll(async () => {
  model = await DiTWeights.load(ops, SMALL, randomSource(SMALL));
});

const METHODS = [
  { method: 'ddpm' },
  { method: 'ddim' },
  { method: 'ddim', eta: 1 },
  { method: 'ddpm', cfgScale: 3 },
] as const;

describe.each(METHODS)('sampling with %j', (how) => {
  it('is the same for the same seed and differs for another', async () => {
    const draw = async (seed: number) =>
      (await sample(ops, model, { labels: [0, 2], noise: seededNoise(seed), steps: 3, ...how })).x;
    const first = await draw(5);
    expect(await draw(5)).toEqual(first);
    expect(await draw(6)).not.toEqual(first);
  });

  it('draws an image that does not depend on its batch', async () => {
    const all = await sample(ops, model, { labels: [0, 2, 1], noise, steps: 3, ...how });
    expect(all.shape).toEqual([3, 1, 4, 4]);
    const two = await sample(ops, model, {
      labels: [2, 1],
      noise,
      steps: 3,
      firstImage: 1,
      ...how,
    });
    expect(two.x).toEqual(all.x.slice(16));
  });

  it('stops between two steps when it is told to, and frees what it used', async () => {
    const before = ops.memory().liveTensors;
    const abort = new AbortController();
    const seen: number[] = [];
    const run = sample(ops, model, {
      labels: [0],
      noise,
      steps: 5,
      ...how,
      signal: abort.signal,
      onStep({ done }) {
        seen.push(done);
        // From a timer: only reached because sampling lets timers run.
        if (done === 2) setTimeout(() => abort.abort(), 0);
      },
    });
    await expect(run).rejects.toThrow(InterruptedError);
    expect(seen.length).toBeGreaterThanOrEqual(2);
    expect(seen.length).toBeLessThan(5);
    expect(ops.memory().liveTensors).toBe(before);
  });
});

describe('sampling', () => {
  it('runs for every kind of model', async () => {
    await fc.assert(
      fc.asyncProperty(smallConfigs, fc.constantFrom('ddpm', 'ddim'), async (config, method) => {
        using own = await DiTWeights.load(ops, config, randomSource(config));
        const before = ops.memory().liveTensors;
        const cfgScale = config.classDropoutProb > 0 ? 2 : 1;
        const fixedVariance = 'small';
        const options = { labels: [0], noise, steps: 2, method, cfgScale, fixedVariance } as const;
        const { x, shape } = await sample(ops, own, options);
        expect(shape).toEqual([1, config.inChannels, config.inputSize, config.inputSize]);
        expect(x.every(Number.isFinite)).toBe(true);
        expect(ops.memory().liveTensors).toBe(before);
      }),
      { numRuns: 15 },
    );
  });

  it('shows timesteps from the noisiest to 0', async () => {
    const timesteps: number[] = [];
    for await (const { timestep } of sampleSteps(ops, model, { labels: [0], noise, steps: 4 })) {
      timesteps.push(timestep);
    }
    expect(timesteps).toEqual([999, 666, 333, 0]);
  });

  it('keeps the predicted image in [-1, 1] where that is asked', async () => {
    // The last DDIM step gives the predicted image itself.
    const options = { labels: [0, 1, 2], noise, steps: 3, method: 'ddim' } as const;
    const clipped = await sample(ops, model, { ...options, clip: true });
    expect(Math.max(...clipped.x.map(Math.abs))).toBeLessThanOrEqual(1);
    const free = await sample(ops, model, options);
    expect(Math.max(...free.x.map(Math.abs))).toBeGreaterThan(1);
  });

  it.each([
    [{ labels: [] }, 'no labels'],
    [{ labels: [9] }, 'Label 9 does not exist'],
    [{ steps: 0 }, 'from 1 to 1000, not 0'],
    [{ eta: 2 }, 'eta must be from 0 to 1, not 2'],
    [{ cfgScale: Number.NaN }, 'guidance scale must be a number'],
  ])('refuses %j', async (options, message) => {
    const run = sample(ops, model, { labels: [0], noise, steps: 2, ...options });
    await expect(run).rejects.toThrow(ArgumentError);
    await expect(run).rejects.toThrow(message);
  });

  it('refuses guidance where the model has no null label', async () => {
    const config = { ...SMALL, classDropoutProb: 0 };
    using own = await DiTWeights.load(ops, config, randomSource(config));
    const run = sample(ops, own, { labels: [0], noise, steps: 2, cfgScale: 2 });
    await expect(run).rejects.toThrow('Guidance needs a null label');
  });

  it('names the timestep at which a model stops giving numbers', async () => {
    const lookup: DiTWeights['lookup'] = (name) =>
      name === 'final_layer.linear.bias' ? bad : model.lookup(name);
    using bad = ops.fill([8], Number.NaN);
    const run = sample(ops, { config: SMALL, lookup }, { labels: [0], noise, steps: 2 });
    await expect(run).rejects.toThrow(NonFiniteError);
    await expect(run).rejects.toThrow('timestep 999');
  });
});

describe('the prediction', () => {
  const schedule = diffusionSchedule(10);
  const image = Float32Array.of(0.3, -0.7);

  it('finds the image in what noise was added to', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 9 }), (step) => {
        const alpha = schedule.alphasCumprod[step]!;
        const eps = Float32Array.of(0.5, -1.25);
        const x = image.map((v, i) => Math.sqrt(alpha) * v + Math.sqrt(1 - alpha) * eps[i]!);
        const { start } = predict(schedule, step, x, eps, { learnSigma: false });
        // Float32 rounding of x (up to 1.6 2^-24), divided by sqrt(alpha).
        expectClose('start', start, image, 1e-6 / Math.sqrt(alpha));
      }),
    );
  });

  it('reads a learned variance between the posterior and beta', () => {
    const step = 4;
    const of = (v: number) =>
      predict(schedule, step, image, Float32Array.of(0, 0, v, v), { learnSigma: true })
        .deviation[0];
    expect(of(-1)).toBeCloseTo(Math.sqrt(schedule.posteriorVariance[step]!), 12);
    expect(of(1)).toBeCloseTo(Math.sqrt(schedule.betas[step]!), 12);
    const fixed = (fixedVariance: 'large' | 'small') =>
      predict(schedule, step, image, new Float32Array(2), { learnSigma: false, fixedVariance })
        .deviation[0];
    expect(fixed('small')).toBeCloseTo(Math.sqrt(schedule.posteriorVariance[step]!), 12);
    expect(fixed('large')).toBeCloseTo(Math.sqrt(schedule.betas[step]!), 12);
  });
});

describe('the walk for calibration', () => {
  const options = { labels: [0, 2], noise, steps: 3 };

  it.each([1, 3])('goes where sampling goes, with guidance scale %s', async (cfgScale) => {
    const before = ops.memory().liveTensors;
    const states: Float32Array[] = [];
    for await (const { x } of sampleSteps(ops, model, { ...options, cfgScale })) {
      states.push(x.slice());
    }
    let count = 0;
    const batch = cfgScale === 1 ? 2 : 4;
    for await (const step of walkTrajectory(ops, model, { ...options, cfgScale })) {
      expect(step.labels).toEqual(Int32Array.from(batch === 2 ? [0, 2] : [0, 2, 3, 3]));
      expect(step.tokens.shape).toEqual([batch, 4, 8]);
      expect(step.conditioning.shape).toEqual([batch, 8]);
      expect(step.blockOutputs.map((x) => x.shape)).toEqual([
        [batch, 4, 8],
        [batch, 4, 8],
      ]);
      expect(step.output.shape).toEqual([batch, 2, 4, 4]);
      if (count > 0) expect((await ops.read(step.x)).slice(0, 32)).toEqual(states[count - 1]);
      count++;
    }
    expect(count).toBe(3);
    expect(ops.memory().liveTensors).toBe(before);
  });

  it('frees a step when the next is asked for, and all when it is left early', async () => {
    const before = ops.memory().liveTensors;
    const walk = walkTrajectory(ops, model, options);
    const first = (await walk.next()).value!;
    expect(first.tokens.disposed).toBe(false);
    const second = (await walk.next()).value!;
    expect(first.tokens.disposed).toBe(true);
    expect(second.blockOutputs[1]!.disposed).toBe(false);
    await walk.return();
    expect(second.blockOutputs[1]!.disposed).toBe(true);
    expect(ops.memory().liveTensors).toBe(before);
  });
});
