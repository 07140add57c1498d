import { kmeans, RandomStream, VqWeight } from '@vq4dit/core';
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { candidateRanks, gradientAgreement } from '../src/index.ts';

const normal = (seed: number, count: number) =>
  new RandomStream(seed).fillNormal(new Float32Array(count));

/** Random codes and codebooks. */
function randomWeight(seed: number, { rows = 6, columns = 8, groups = 2, k = 3, d = 2 } = {}) {
  const random = new RandomStream(seed, 'codes');
  const codes = Uint16Array.from({ length: (rows * columns) / d }, () => random.integer(k));
  const codebook = normal(seed, groups * k * d);
  return new VqWeight({ name: 'layer', rows, columns, groups, k, d, codebook, codes });
}

describe('agreement of gradients', () => {
  it('is the mean cosine of all pairs with one codeword, and of all pairs', () => {
    fc.assert(
      fc.property(fc.nat(), (seed) => {
        const weight = randomWeight(seed);
        const gradient = normal(seed + 1, 48);
        const { codes, d, subvectorsPerGroup } = weight;
        const sub = (i: number) => [...gradient.subarray(i * d, (i + 1) * d)];
        const cosine = (a: number[], b: number[]) => {
          const dot = (x: number[], y: number[]) => x.reduce((s, v, j) => s + v * y[j]!, 0);
          return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
        };
        const [shared, all]: [number[], number[]] = [[], []];
        for (let i = 0; i < codes.length; i++) {
          for (let j = 0; j < i; j++) {
            const group = (n: number) => Math.floor(n / subvectorsPerGroup);
            if (group(i) !== group(j)) continue;
            const value = cosine(sub(i), sub(j));
            all.push(value);
            if (codes[i] === codes[j]) shared.push(value);
          }
        }
        const mean = (values: number[]) => values.reduce((a, b) => a + b, 0) / values.length;
        const got = gradientAgreement(weight, gradient, 20, seed);
        expect(got.pairs).toBe(shared.length);
        expect(got.shared).toBeCloseTo(mean(shared), 10);
        expect(got.all).toBeCloseTo(mean(all), 10);
        expect(got.sample).toHaveLength(20);
        for (const value of got.sample) {
          expect(shared.some((pair) => Math.abs(pair - value) < 1e-10)).toBe(true);
        }
      }),
    );
  });

  it('is 1 for equal gradients and leaves out sub-vectors without one', () => {
    const weight = randomWeight(1);
    const gradient = new Float32Array(48).map((_, i) => (i < 4 ? 0 : i % 2 === 0 ? 3 : 4));
    const { shared, all, sample } = gradientAgreement(weight, gradient, 5);
    for (const value of [shared, all, ...sample]) expect(value).toBeCloseTo(1, 12);
  });
});

describe('ranks of candidates', () => {
  it('are 1 for the assignments of k-means, and follow what a calibration chose', async () => {
    const [rows, columns, k, d] = [16, 32, 8, 4];
    const data = normal(3, rows * columns);
    const found = await kmeans({ data, dimension: d, k, random: 0 });
    const parts = { name: 'layer', rows, columns, groups: 1, k, d, codebook: found.codebook };
    const before = new VqWeight({ ...parts, codes: Uint16Array.from(found.assignments) });
    const weight = { name: 'layer', rows, columns, data };
    const count = (rows * columns) / d;
    expect(await candidateRanks(weight, before, before)).toEqual([count, 0, 0, 0, 0]);

    // By hand: the codeword of rank i mod 8 for sub-vector i.
    const codes = Uint16Array.from({ length: count }, (_, i) => {
      const distance = (c: number) =>
        Array.from(
          { length: d },
          (_, j) => (data[i * d + j]! - found.codebook[c * d + j]!) ** 2,
        ).reduce((a, b) => a + b, 0);
      const order = Array.from({ length: k }, (_, c) => c).sort(
        (a, b) => distance(a) - distance(b),
      );
      return order[i % k]!;
    });
    const after = new VqWeight({ ...parts, codes });
    const each = count / k;
    expect(await candidateRanks(weight, before, after)).toEqual([each, each, each, each, 4 * each]);
    const other = randomWeight(1, { rows, columns, groups: 1, k: 4, d });
    await expect(candidateRanks(weight, before, other)).rejects.toThrow('cannot be compared');
  });
});
