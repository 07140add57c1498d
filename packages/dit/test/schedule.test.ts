import { ArgumentError } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { diffusionSchedule, linearBetas, respacedTimesteps } from '../src/index.ts';
import { expectClose } from './support/compare.ts';
import { golden, steps } from './support/tiny.ts';

describe('the respaced process', () => {
  it('has the timesteps and tables of the recorded one', () => {
    const schedule = diffusionSchedule(steps);
    expect([...schedule.timestepMap]).toEqual([...golden.i32('diffusion.timestep_map')]);
    const table = (name: string) => golden.f64(`diffusion.${name}`);
    // Both are float64; a cumulative product of 1000 factors rounds by up to 1000 * 2^-53.
    const tolerance = 1e-12;
    const check = (name: string, got: Float64Array) =>
      expectClose(name, got, table(name), tolerance);
    check('betas', schedule.betas);
    check('alphas_cumprod', schedule.alphasCumprod);
    check('posterior_variance', schedule.posteriorVariance);
    check('posterior_log_variance_clipped', schedule.posteriorLogVarianceClipped);
    check('posterior_mean_coef1', schedule.posteriorMeanCoef1);
    check('posterior_mean_coef2', schedule.posteriorMeanCoef2);
  });

  it('rounds halves to even', () => {
    // 999 / 6 = 166.5, and its multiples; the third is 499.5.
    expect([...respacedTimesteps(7)]).toEqual([0, 166, 333, 500, 666, 832, 999]);
    expect([...respacedTimesteps(3)]).toEqual([0, 500, 999]);
    expect([...respacedTimesteps(1)]).toEqual([0]);
    expect([...respacedTimesteps(1000)]).toEqual(Array.from({ length: 1000 }, (_, i) => i));
  });

  it('picks distinct, ascending, evenly spread timesteps from first to last', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 1000 }), (count) => {
        const timesteps = respacedTimesteps(count);
        const stride = 999 / (count - 1);
        expect(timesteps).toHaveLength(count);
        expect(timesteps[0]).toBe(0);
        expect(timesteps[count - 1]).toBe(999);
        // Half a timestep of rounding, and the rounding of up to 1000 float64 sums below 1000.
        const even = timesteps.every((t, i) => Math.abs(t - i * stride) < 0.5 + 1e-9);
        const ascending = timesteps.every((t, i) => i === 0 || t > timesteps[i - 1]!);
        expect({ even, ascending }).toEqual({ even: true, ascending: true });
      }),
    );
  });

  it('keeps the noise level of every timestep that it keeps', () => {
    const full = diffusionSchedule(1000);
    expectClose('betas', full.betas, linearBetas(), 1e-12);
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1000 }), (count) => {
        const schedule = diffusionSchedule(count);
        const kept = Float64Array.from(schedule.timestepMap, (t) => full.alphasCumprod[t]!);
        expectClose('alphas_cumprod', schedule.alphasCumprod, kept, 1e-11);
        expect(schedule.betas.every((beta) => beta > 0 && beta < 1)).toBe(true);
        expect(schedule.posteriorLogVarianceClipped.every(Number.isFinite)).toBe(true);
      }),
      { numRuns: 30 },
    );
  });

  it.each([0, -1, 1001, 2.5, Number.NaN])('refuses %s steps', (count) => {
    expect(() => diffusionSchedule(count)).toThrow(ArgumentError);
  });
});
