import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  assignedDistances,
  assignment,
  type Comparator,
  distanceOracle,
  equal,
  exact,
  floats,
  limitsOf,
  nmse,
  scaled,
  sumFactor,
  ulp,
} from '../src/index.ts';

const F32 = limitsOf('f32');
const U = 2 ** -24;
const { NaN: nan, POSITIVE_INFINITY: inf } = Number;

const compare = (comparator: Comparator, got: number[], want: number[], limits = F32) =>
  comparator(Float64Array.from(got), Float64Array.from(want), limits);

const accepts = (comparator: Comparator, got: number[], want: number[], limits = F32) =>
  expect(compare(comparator, got, want, limits)).toBeUndefined();
const rejects = (comparator: Comparator, got: number[], want: number[], message = /differ/) =>
  expect(compare(comparator, got, want)).toMatch(message);

/** Every comparator of numbers, as lenient as any case makes it. */
const COMPARATORS: Readonly<Record<string, Comparator>> = {
  exact,
  equal,
  ulp: ulp(2),
  scaled: scaled([1, 1, 1, 1], 4612),
};

describe.each(Object.entries(COMPARATORS))('%s', (_, comparator) => {
  it('accepts what is the same', () => {
    accepts(comparator, [1, -2.5, 0, 1e30], [1, -2.5, 0, 1e30]);
    accepts(comparator, [nan, inf, -inf], [nan, inf, -inf]);
  });

  it('rejects other numbers, and says where', () => {
    rejects(comparator, [1, 2, 3], [1, 2, 4], /1 of 3 differ: \[2\] got 3, expected 4/);
    rejects(comparator, [-1], [1]);
    rejects(comparator, [0], [1]);
    rejects(comparator, [1], [0]);
  });

  it('matches NaN by NaN only and infinity by its own sign only', () => {
    for (const [got, want] of [
      [nan, 1],
      [1, nan],
      [nan, inf],
      [inf, nan],
      [inf, -inf],
      [-inf, inf],
      [inf, 1],
      [1, inf],
      [3.4e38, inf],
    ] as const) {
      rejects(comparator, [got], [want]);
    }
  });
});

describe('exact', () => {
  it('tells -0 from 0, which equal does not', () => {
    rejects(exact, [0], [-0], /got 0, expected -0/);
    accepts(equal, [0], [-0]);
  });

  it('shows the first three of many', () => {
    expect(compare(exact, Array(9).fill(0), Array(9).fill(1))).toMatch(
      /^9 of 9 differ: \[0\][^;]*; \[1\][^;]*; \[2\][^;]*$/,
    );
  });
});

describe('ulp', () => {
  it('counts units in the last place of float32', () => {
    accepts(ulp(1), [1 + 2 ** -23], [1]);
    rejects(ulp(1), [1 + 2.5 * 2 ** -23], [1]);
    accepts(ulp(2), [1 + 2 * 2 ** -23], [1]);
    accepts(ulp(1), [1024 + 2 ** -13], [1024]);
    rejects(ulp(1), [1024 + 2 ** -12], [1024]);
  });

  it('accepts any rounding to float32, and no rounding to TF32 that changes anything', () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-30, max: 1e30, noNaN: true }), (x) => {
        accepts(ulp(0.5), [Math.fround(x)], [x]);
        rejects(ulp(2), [x * (1 + 2 ** -12)], [x]);
      }),
    );
  });

  it('lets the smallest numbers round, and vanish only if the backend declares it', () => {
    accepts(ulp(1), [0], [2 ** -150]);
    rejects(ulp(1), [0], [2 ** -127]);
    accepts(ulp(1), [0], [2 ** -127], limitsOf('f32', true));
  });

  it('treats what is beyond the largest number as infinite, of its sign', () => {
    accepts(ulp(1), [inf], [1e39]);
    accepts(ulp(1), [-inf], [-1e39]);
    rejects(ulp(1), [inf], [-1e39]);
    rejects(ulp(1), [3.4e38], [1e39]);
    rejects(ulp(1), [inf], [3e38]);
  });
});

describe('scaled', () => {
  it('scales with the magnitude of each element', () => {
    const comparator = scaled([1, 1000], 16);
    accepts(comparator, [15 * U, 15_000 * U], [0, 0]);
    rejects(comparator, [17 * U, 0], [0, 0], /\[0\]/);
    rejects(comparator, [0, 17_000 * U], [0, 0], /\[1\]/);
  });

  it('takes the unit roundoff of the tier, and TF32 only for products', () => {
    const error = [0.001];
    accepts(scaled([1], 16, { product: true }), error, [0], limitsOf('tf32'));
    expect(compare(scaled([1], 16), error, [0], limitsOf('tf32'))).toMatch(/differ/);
    accepts(scaled([1], 16), error, [0], limitsOf('f16'));
    rejects(scaled([1], 16, { product: true }), error, [0]);
  });

  it('does not become boundless where the magnitude is not finite', () => {
    rejects(scaled([inf], 16), [5], [1]);
    rejects(scaled([nan], 16), [5], [1]);
  });

  it('holds the mean squared error as well where asked to', () => {
    const want = Array(100).fill(1);
    const got = want.map((v) => v * (1 + 2e-5));
    accepts(scaled(Array(100).fill(1000), 16), got, want);
    rejects(
      scaled(Array(100).fill(1000), 16, { nmse: true }),
      got,
      want,
      /mean squared error 4e-10/,
    );
  });
});

describe('the bound of a sum', () => {
  /** Sequential float32, the worst ordering in practice. */
  const dot = (a: Float32Array, b: Float32Array) => {
    let sum = 0;
    let magnitude = 0;
    let got = 0;
    a.forEach((x, i) => {
      sum += x * b[i]!;
      magnitude += Math.abs(x * b[i]!);
      got = Math.fround(got + Math.fround(x * b[i]!));
    });
    return { sum, magnitude, got };
  };

  it('holds for sequential float32 sums of any numbers', () => {
    const numbers = fc.array(
      fc.tuple(
        fc.float({ min: -100, max: 100, noNaN: true }),
        fc.float({ min: -100, max: 100, noNaN: true }),
      ),
      { minLength: 1, maxLength: 200 },
    );
    fc.assert(
      fc.property(numbers, (pairs) => {
        const clean = (x: number) => (Math.abs(x) < 2 ** -40 ? 0 : x);
        const { sum, magnitude, got } = dot(
          Float32Array.from(pairs, ([x]) => clean(x)),
          Float32Array.from(pairs, ([, y]) => clean(y)),
        );
        accepts(scaled([magnitude], sumFactor('arbitrary', pairs.length)), [got], [sum]);
      }),
    );
  });

  it('is tight enough to see one product missing', () => {
    fc.assert(
      fc.property(fc.integer({ min: 2, max: 4608 }), (k) => {
        const a = Float32Array.from({ length: k }, (_, i) => 0.5 + ((i * 7919) % 1000) / 2000);
        const full = dot(a, a);
        const short = dot(a.subarray(1), a.subarray(1));
        accepts(scaled([full.magnitude], sumFactor('nonNegative', k)), [full.got], [full.sum]);
        rejects(scaled([full.magnitude], sumFactor('nonNegative', k)), [short.got], [full.sum]);
      }),
    );
  });
});

describe('normalised mean squared error', () => {
  it('is 0 over 0 only if both are zero', () => {
    expect(nmse([0, 0], [0, 0])).toBe(0);
    expect(nmse([1e-30, 0], [0, 0])).toBe(inf);
    expect(nmse([1, 2], [1, 2])).toBe(0);
    expect(nmse([0, 0], [3, 4])).toBe(1);
  });
});

describe('assignment', () => {
  // Codewords 0 and 2 are the same; 1 is nearly as near to x as they are; 3 is far away.
  const x = floats([1, 2], [0, 0]);
  const codebook = floats([4, 2], [1, 0, 1 + 2 ** -23, 0, 1, 0, 3, 3]);
  const oracle = distanceOracle(x, codebook);
  const one = assignment(oracle, 1, 4);
  const two = assignment(oracle, 2, 4);

  it('accepts another codeword at the same distance, within rounding', () => {
    accepts(one, [0], [0]);
    accepts(one, [2], [0]);
    accepts(one, [1], [0]);
    accepts(two, [1, 2], [0, 2]);
  });

  it('rejects a farther codeword, one named twice and what is no codeword', () => {
    rejects(one, [3], [0], /codeword 3 instead of 0 in row 0/);
    rejects(two, [0, 0], [0, 2], /named twice/);
    rejects(one, [4], [0], /not a codeword/);
    rejects(one, [-1], [0], /not a codeword/);
    rejects(one, [0.5], [0], /not a codeword/);
    rejects(one, [nan], [0], /not a codeword/);
  });

  it('rejects a clearly farther codeword however it is drawn', () => {
    fc.assert(
      fc.property(
        fc.array(fc.float({ min: -4, max: 4, noNaN: true }), { minLength: 12, maxLength: 12 }),
        (values) => {
          const book = floats([4, 3], values);
          const origin = floats([1, 3], [0, 0, 0]);
          const distances = distanceOracle(origin, book);
          const order = [0, 1, 2, 3].sort(
            (a, b) => distances.distance(0, a) - distances.distance(0, b),
          );
          const [best, worst] = [order[0]!, order[3]!];
          fc.pre(distances.distance(0, worst) > distances.distance(0, best) + 0.01);
          rejects(assignment(distances, 1, 4), [worst], [best], /instead of/);
        },
      ),
    );
  });

  it('holds the distances, and that they do not descend', () => {
    const distances = assignedDistances(oracle, [0, 3], 2);
    accepts(distances, [1, 18], [1, 18]);
    accepts(distances, [1 + 2 ** -23, 18], [1, 18]);
    rejects(distances, [1.0001, 18], [1, 18], /distance 1.0001, expected 1/);
    rejects(distances, [nan, 18], [1, 18]);
    const same = assignedDistances(distanceOracle(x, floats([2, 2], [1, 0, 1, 0])), [0, 1], 2);
    accepts(same, [1, 1], [1, 1]);
  });
});
