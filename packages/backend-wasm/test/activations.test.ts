import { gelu, geluGradOp, silu, siluGradOp } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { type Host, host, normal } from './support/devices.ts';
import { expectWithin, type Operation, useFused } from './support/fused.ts';

const devices = useFused();
const U = 2 ** -24;

const sigmoid = (v: number) => 1 / (1 + Math.exp(-v));
const LINEAR = 2 * Math.sqrt(2 / Math.PI);

/** A gate x sigmoid(v(x)): v and its derivative in float64. */
const GATES = {
  gelu: {
    v: (x: number) => LINEAR * (x + 0.044715 * x ** 3),
    dv: (x: number) => LINEAR * (1 + 3 * 0.044715 * x * x),
  },
  silu: { v: (x: number) => x, dv: () => 1 },
} as const;

const OPERATIONS: Readonly<Record<'gelu' | 'silu' | 'geluGrad' | 'siluGrad', Operation>> = {
  gelu: (ops, [x]) => [gelu(ops, x!)],
  silu: (ops, [x]) => [silu(ops, x!)],
  geluGrad: (ops, inputs) => ops.composed(geluGradOp, inputs, undefined),
  siluGrad: (ops, inputs) => ops.composed(siluGradOp, inputs, undefined),
};

/** Every region: tails, bends and around zero. */
const SWEEP = Float32Array.from({ length: 4001 }, (_, i) => (i - 2000) / 100);

/** What is computed at x, and by how many u it may be off. */
function definition(name: 'gelu' | 'silu', x: number) {
  const { v, dv } = GATES[name];
  const s = sigmoid(v(x));
  const bend = x * dv(x) * s * sigmoid(-v(x));
  // e^-|v| is off by 3 ulp and by the rounding of v, a few u |v|; s (1 - s) by twice that.
  const rounding = 8 + 4 * Math.abs(v(x));
  return {
    value: x * s,
    valueFactor: Math.abs(x * s) * (8 + 4 * Math.abs(v(x)) * sigmoid(-v(x))),
    slope: s + bend,
    slopeFactor: s * 8 + (s * sigmoid(-v(x)) * 4 * Math.abs(v(x)) + 2 * Math.abs(bend) * rounding),
  };
}

/** Smaller numbers than this may be off by as much: they are denormal. */
const TINY = 2 ** -126;

async function expectRight(name: 'gelu' | 'silu', x: Host, grad: Host): Promise<void> {
  const all = Array.from(x.data, (v) => definition(name, v));
  for (const [got] of await devices.run(name, OPERATIONS[name], [x])) {
    expectWithin(
      got!,
      all.map(({ value }) => value),
      (i) => U * all[i]!.valueFactor + TINY,
    );
  }
  const gradName = `${name}Grad` as const;
  for (const [got] of await devices.run(gradName, OPERATIONS[gradName], [x, grad])) {
    const want = all.map(({ slope }, i) => slope * grad.data[i]!);
    expectWithin(got!, want, (i) => U * all[i]!.slopeFactor * Math.abs(grad.data[i]!) + TINY);
  }
}

describe.each(['gelu', 'silu'] as const)('%s and its gradient', (name) => {
  it('are right everywhere', () => expectRight(name, host(SWEEP), normal([SWEEP.length])));

  it('are right for every length', async () => {
    for (let n = 1; n <= 67; n++) await expectRight(name, normal([n], n), normal([n], 99 + n));
  });

  it('are right over several chunks', () =>
    expectRight(name, normal([50_003]), normal([50_003], 2)));

  it('are right for any numbers', async () => {
    const value = fc.float({ min: -30, max: 30, noNaN: true });
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 1, maxLength: 40 }), (values) => {
        const x = host(Float32Array.from(values));
        return expectRight(name, x, host(new Float32Array(values.length).fill(1)));
      }),
      { numRuns: 60 },
    );
  });

  it('go over into 0 and x, and their slopes into 0 and 1', async () => {
    const x = host(Float32Array.of(1e4, 1e30, 3e38, Number.POSITIVE_INFINITY, -1e4, -1e30, -3e38));
    for (const [got] of await devices.run(name, OPERATIONS[name], [x])) {
      expect([...got!].map((v) => v + 0)).toEqual([...x.data.subarray(0, 4), 0, 0, 0]);
    }
    const gradName = `${name}Grad` as const;
    const ones = host(new Float32Array(x.data.length).fill(1));
    for (const [got] of await devices.run(gradName, OPERATIONS[gradName], [x, ones])) {
      expect([...got!].map((v) => v + 0)).toEqual([1, 1, 1, 1, 0, 0, 0]);
    }
  });

  it('keep NaN where it is', async () => {
    const data = Float32Array.from({ length: 40 }, (_, i) => i);
    data[13] = Number.NaN;
    data[38] = Number.NaN;
    const gradName = `${name}Grad` as const;
    const results = [
      ...(await devices.run(name, OPERATIONS[name], [host(data)])),
      ...(await devices.run(gradName, OPERATIONS[gradName], [host(data), normal([40])])),
    ];
    for (const [got] of results) {
      expect([...got!].flatMap((v, i) => (Number.isNaN(v) ? [i] : []))).toEqual([13, 38]);
    }
  });

  it('have a gradient that is the slope of the function', () => {
    const { v } = GATES[name];
    for (let x = -8; x <= 8; x += 0.25) {
      const f = (t: number) => t * sigmoid(v(t));
      const slope = (f(x + 1e-5) - f(x - 1e-5)) / 2e-5;
      expect(definition(name, x).slope).toBeCloseTo(slope, 8);
    }
  });
});
