import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError } from '../src/errors.ts';
import { portableCircle, portableLog } from '../src/random/gaussian.ts';
import { philox4x32, RandomStream } from '../src/random/index.ts';

function block(counter: readonly number[], key: readonly number[]): string[] {
  const [c0, c1, c2, c3] = counter as [number, number, number, number];
  const [k0, k1] = key as [number, number];
  const out = new Uint32Array(4);
  philox4x32(c0, c1, c2, c3, k0, k1, out);
  return Array.from(out, (word) => word.toString(16).padStart(8, '0'));
}

describe('Philox4x32-10', () => {
  // Known answers published with Random123 (kat_vectors).
  it('gives the known answers', () => {
    const ones = 0xffffffff;
    expect(block([0, 0, 0, 0], [0, 0])).toEqual(['6627e8d5', 'e169c58d', 'bc57ac4c', '9b00dbd8']);
    expect(block([ones, ones, ones, ones], [ones, ones])).toEqual([
      '408f276d',
      '41c83b0e',
      'a20bc7c6',
      '6d5451fd',
    ]);
    // Digits of pi.
    expect(
      block([0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344], [0xa4093822, 0x299f31d0]),
    ).toEqual(['d16cfe09', '94fdcceb', '5001e420', '24126ea1']);
  });
});

describe('portable functions', () => {
  // 1e-15 relative is 4.5 units of the last place; measured worst is below 3.
  it('agrees with the engine logarithm', () => {
    const random = new RandomStream(1);
    for (let i = 0; i < 20000; i++) {
      const u = 1 - random.uniform();
      const want = Math.log(u);
      expect(Math.abs(portableLog(u) - want)).toBeLessThanOrEqual(1e-15 * Math.abs(want));
    }
    expect(portableLog(1)).toBe(0);
    expect(portableLog(2 ** -53)).toBeCloseTo(-53 * Math.LN2, 12);
  });

  it('agrees with the engine sine and cosine', () => {
    const random = new RandomStream(2);
    const out = new Float64Array(2);
    for (let i = 0; i < 20000; i++) {
      const u = random.uniform();
      portableCircle(u, out);
      // The engine's argument 2 pi u is itself rounded: up to 2 pi * 2^-53 = 7e-16.
      expect(Math.abs((out[0] as number) - Math.cos(2 * Math.PI * u))).toBeLessThan(2e-15);
      expect(Math.abs((out[1] as number) - Math.sin(2 * Math.PI * u))).toBeLessThan(2e-15);
    }
    for (const [u, cosine, sine] of [
      [0, 1, 0],
      [0.25, 0, 1],
      [0.5, -1, 0],
      [0.75, 0, -1],
    ] as const) {
      portableCircle(u, out);
      expect(Array.from(out, (v) => v + 0)).toEqual([cosine, sine]);
    }
  });
});

describe('RandomStream', () => {
  it('starts with the block of the key, at counter zero', () => {
    const stream = new RandomStream(0);
    expect(Array.from({ length: 4 }, () => stream.uint32().toString(16))).toEqual([
      '6627e8d5',
      'e169c58d',
      'bc57ac4c',
      '9b00dbd8',
    ]);
  });

  it('keeps its numbers from version to version', () => {
    // Artefacts name only their seed; a change of these values changes every artefact.
    const stream = new RandomStream(42).derive('noise', 3, 7);
    expect(stream.uint32()).toBe(2605688858);
    expect(stream.uniform()).toBe(0.19207069916973285);
    expect(stream.normal()).toBe(0.5066446501495081);
    expect(stream.integer(1000)).toBe(664);
  });

  it('gives the same numbers for the same seed, whatever was drawn elsewhere', () => {
    fc.assert(
      fc.property(
        fc.bigInt({ min: 0n, max: (1n << 64n) - 1n }),
        fc.array(fc.oneof(fc.string(), fc.maxSafeInteger()), { minLength: 1, maxLength: 4 }),
        fc.nat(9),
        (seed, labels, before) => {
          const a = new RandomStream(seed);
          for (let i = 0; i < before; i++) a.normal();
          const fromUsed = a.derive(...labels).fillNormal(new Float32Array(7));
          const fromNew = new RandomStream(seed, ...labels).fillNormal(new Float32Array(7));
          let chained = new RandomStream(seed);
          for (const label of labels) chained = chained.derive(label);
          expect(fromUsed).toEqual(fromNew);
          expect(chained.fillNormal(new Float32Array(7))).toEqual(fromNew);
        },
      ),
    );
  });

  it('tells labels apart by kind, order, length and grouping', () => {
    const root = new RandomStream(9);
    const streams = [
      root,
      root.derive('1'),
      root.derive(1),
      root.derive(-1),
      root.derive(2 ** 32 + 1),
      root.derive(''),
      root.derive('', ''),
      root.derive('a'),
      root.derive('a\0'),
      root.derive('ab'),
      root.derive('a', 'b'),
      root.derive('b', 'a'),
      root.derive('abcdefghi'),
      new RandomStream(10),
      new RandomStream(9n << 32n),
    ];
    const first = streams.map((stream) => `${stream.uint32()} ${stream.uint32()}`);
    expect(new Set(first).size).toBe(streams.length);
  });

  it('fills as single calls do', () => {
    const a = new RandomStream(5);
    const b = new RandomStream(5);
    const single = Float32Array.from({ length: 5 }, () => a.normal());
    const filled = b.fillNormal(new Float32Array(3));
    expect([...filled, ...b.fillNormal(new Float32Array(2))]).toEqual([...single]);
  });

  it('is uniform and normal', () => {
    const stream = new RandomStream(7);
    const n = 200_000;
    let mean = 0;
    let inside = true;
    const deciles = new Float64Array(10);
    for (let i = 0; i < n; i++) {
      const u = stream.uniform();
      inside &&= u >= 0 && u < 1;
      mean += u / n;
      deciles[Math.floor(u * 10)]! += 1;
    }
    expect(inside).toBe(true);
    // Five standard errors: sqrt(1/12/n) = 6.5e-4 for the mean, sqrt(n * 0.09) = 134 for a count.
    expect(Math.abs(mean - 0.5)).toBeLessThan(3.3e-3);
    for (const count of deciles) expect(Math.abs(count - n / 10)).toBeLessThan(670);

    const z = stream.fillNormal(new Float32Array(n));
    const moments = [1, 2, 3, 4].map((p) => z.reduce((sum, v) => sum + v ** p, 0) / n);
    // Variances of z, z^2, z^3, z^4 are 1, 2, 15, 96.
    [0, 1, 0, 3].forEach((want, i) => {
      const deviation = Math.sqrt(([1, 2, 15, 96] as const)[i]! / n);
      expect(Math.abs(moments[i]! - want)).toBeLessThan(5 * deviation);
    });
    // Consecutive values and the two of a pair do not correlate.
    let lag = 0;
    for (let i = 1; i < n; i++) lag += z[i]! * z[i - 1]!;
    expect(Math.abs(lag / n)).toBeLessThan(5 / Math.sqrt(n));
  });

  it('draws integers without bias', () => {
    const stream = new RandomStream(11);
    // With this n, taking the remainder of 32 bits would make the lower half twice as likely.
    const n = 3 * 2 ** 30;
    let low = 0;
    for (let i = 0; i < 10_000; i++) if (stream.integer(n) < n / 3) low++;
    // Five standard errors of a count with p = 1/3; the biased value is 5000.
    expect(Math.abs(low - 10_000 / 3)).toBeLessThan(5 * Math.sqrt((10_000 * 2) / 9));
    expect(stream.integer(1)).toBe(0);
    expect(stream.integer(2 ** 32)).toBeLessThan(2 ** 32);
  });

  it('samples without replacement, as the start of the permutation', () => {
    fc.assert(
      fc.property(fc.integer({ min: 0, max: 400 }), fc.nat(), fc.nat(1000), (n, pick, seed) => {
        const count = n === 0 ? 0 : pick % (n + 1);
        const sample = new RandomStream(seed).sampleWithoutReplacement(n, count);
        const whole = new RandomStream(seed).permutation(n);
        expect(sample).toEqual(whole.subarray(0, count));
        expect([...whole].sort((a, b) => a - b)).toEqual(Array.from({ length: n }, (_, i) => i));
      }),
    );
  });

  it('refuses what it cannot use', () => {
    for (const seed of [-1, 0.5, Number.NaN, 2 ** 53, -1n, 1n << 64n]) {
      expect(() => new RandomStream(seed)).toThrow(ArgumentError);
    }
    const stream = new RandomStream(0);
    expect(() => stream.derive()).toThrow(ArgumentError);
    expect(() => stream.derive(0.5)).toThrow(ArgumentError);
    for (const n of [0, -1, 1.5, 2 ** 32 + 1]) {
      expect(() => stream.integer(n)).toThrow(ArgumentError);
    }
    expect(() => stream.sampleWithoutReplacement(3, 4)).toThrow(ArgumentError);
    expect(() => stream.sampleWithoutReplacement(-1, 0)).toThrow(ArgumentError);
  });
});
