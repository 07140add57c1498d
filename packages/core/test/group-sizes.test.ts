import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, chooseGroupSizes, type GroupSizeChoice } from '../src/index.ts';

const choice = fc.record({
  groupSize: fc.integer({ min: 2, max: 300 }),
  error: fc.double({ min: 0, max: 1, noNaN: true }),
  bits: fc.integer({ min: 1, max: 50 }),
});
const layers = fc
  .array(fc.array(choice, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 4 })
  .map((all) => new Map(all.map((choices, i) => [`layer${i}` as string, choices] as const)));

const bitsOf = (chosen: Iterable<GroupSizeChoice>) => [...chosen].reduce((a, b) => a + b.bits, 0);
const errorOf = (chosen: Iterable<GroupSizeChoice>) => [...chosen].reduce((a, b) => a + b.error, 0);
const cheapest = (all: ReadonlyMap<string, readonly GroupSizeChoice[]>) =>
  [...all.values()].map((choices) => choices.reduce((a, b) => (b.bits < a.bits ? b : a)));

describe('chooseGroupSizes', () => {
  it('stays within the budget, and no single change that fits would be better', () => {
    fc.assert(
      fc.property(layers, fc.nat(100), (all, spare) => {
        const budget = bitsOf(cheapest(all)) + spare;
        const chosen = chooseGroupSizes(all, budget);
        expect([...chosen.keys()]).toEqual([...all.keys()]);
        const bits = bitsOf(chosen.values());
        expect(bits).toBeLessThanOrEqual(budget);
        for (const [layer, current] of chosen) {
          expect(all.get(layer)).toContain(current);
          for (const other of all.get(layer)!) {
            const fits = bits - current.bits + other.bits <= budget;
            if (fits) expect(other.error).toBeGreaterThanOrEqual(current.error);
          }
        }
      }),
    );
  });

  it('takes the least errors where the budget allows all of them', () => {
    fc.assert(
      fc.property(layers, (all) => {
        const chosen = chooseGroupSizes(all, Number.MAX_SAFE_INTEGER);
        const least = [...all.values()].map((choices) => Math.min(...choices.map((c) => c.error)));
        expect(errorOf(chosen.values())).toBe(least.reduce((a, b) => a + b, 0));
      }),
    );
  });

  it('spends bits where they help most', () => {
    const sizes = (low: number, high: number) => [
      { groupSize: 128, error: high, bits: 100 },
      { groupSize: 32, error: low, bits: 120 },
    ];
    const all = new Map([
      ['robust', sizes(0.1, 0.11)],
      ['sensitive', sizes(0.1, 0.9)],
    ]);
    const chosen = chooseGroupSizes(all, 220);
    expect(chosen.get('sensitive')!.groupSize).toBe(32);
    expect(chosen.get('robust')!.groupSize).toBe(128);
  });

  it('refuses a budget below the cheapest sizes, and a layer without any', () => {
    const all = new Map([['a', [{ groupSize: 64, error: 1, bits: 10 }]]]);
    expect(() => chooseGroupSizes(all, 9)).toThrow(ArgumentError);
    expect(() => chooseGroupSizes(new Map([['a', []]]), 9)).toThrow(/a: no group size/);
  });
});
