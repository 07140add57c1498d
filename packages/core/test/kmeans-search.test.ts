import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { ArgumentError, ShapeError } from '../src/errors.ts';
import { assignManyRows, assignRows } from '../src/host/assign.ts';
import { listCodewords } from '../src/host/codeword-lists.ts';
import { nearestCodewords } from '../src/host/nearest.ts';
import { buildSpaceTree, closeBoxes, growBoxes, locateRows } from '../src/host/space-tree.ts';

/** The definition: sort all codewords by float64 distance (NaN last), then by index. */
function sortedByDistance(x: Float32Array, row: number, codebook: Float32Array, d: number) {
  return Array.from({ length: codebook.length / d }, (_, j) => {
    let distance = 0;
    for (let a = 0; a < d; a++) distance += (x[row * d + a]! - codebook[j * d + a]!) ** 2;
    return { j, distance: Number.isNaN(distance) ? Number.POSITIVE_INFINITY : distance };
  }).sort((p, q) => (p.distance === q.distance ? p.j - q.j : p.distance - q.distance));
}

/** Few different values make ties; large ones next to small ones make rounding matter. */
const finite = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: -3, max: 3 }) },
  { weight: 2, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true, min: -1, max: 1 }) },
  { weight: 1, arbitrary: fc.float({ noNaN: true, noDefaultInfinity: true }) },
);
const wild = fc.oneof(
  { weight: 8, arbitrary: finite },
  { weight: 1, arbitrary: fc.constantFrom(Number.NaN, Infinity, -Infinity) },
);

function problem(value: fc.Arbitrary<number>, maxRows: number) {
  return fc.constantFrom(1, 2, 3, 4, 5, 8).chain((d) =>
    fc.record({
      d: fc.constant(d),
      x: rowsOf(value, d, 1, maxRows),
      codebook: rowsOf(value, d, 1, 20),
      n: fc.integer({ min: 1, max: 4 }),
      depth: fc.integer({ min: 0, max: 5 }),
    }),
  );
}

function rowsOf(value: fc.Arbitrary<number>, d: number, min: number, max: number) {
  return fc
    .array(fc.array(value, { minLength: d, maxLength: d }), { minLength: min, maxLength: max })
    .map((rows) => Float32Array.from(rows.flat()));
}

describe('nearestCodewords', () => {
  it('is the float64 optimum, ties to the lowest index, NaN never first', () => {
    fc.assert(
      fc.property(problem(wild, 12), ({ d, x, codebook, n: wanted }) => {
        const n = Math.min(wanted, codebook.length / d);
        const { indices, distances } = nearestCodewords(x, codebook, d, n);
        for (let row = 0; row * d < x.length; row++) {
          const best = sortedByDistance(x, row, codebook, d).slice(0, n);
          expect([...indices.subarray(row * n, (row + 1) * n)]).toEqual(best.map((b) => b.j));
          expect([...distances.subarray(row * n, (row + 1) * n)]).toEqual(
            best.map((b) => Math.fround(b.distance)),
          );
        }
      }),
      { numRuns: 500 },
    );
  });

  it('gives a row without a number the first codewords at distance Infinity', () => {
    const x = Float32Array.of(Number.NaN, 0);
    expect(nearestCodewords(x, Float32Array.of(1, 2, 3, 4, 5, 6), 2, 2)).toEqual({
      indices: Int32Array.of(0, 1),
      distances: Float32Array.of(Infinity, Infinity),
    });
  });

  it('accepts no rows and refuses lengths and counts that do not fit', () => {
    const c = new Float32Array(8);
    expect(nearestCodewords(new Float32Array(0), c, 4).indices.length).toBe(0);
    expect(() => nearestCodewords(new Float32Array(3), c, 4)).toThrow(ShapeError);
    expect(() => nearestCodewords(c, new Float32Array(3), 4)).toThrow(ShapeError);
    expect(() => nearestCodewords(c, c, 4, 3)).toThrow(ArgumentError);
    expect(() => nearestCodewords(c, c, 0)).toThrow(ArgumentError);
    expect(() => nearestCodewords(c, new Float32Array(0), 4)).toThrow(ArgumentError);
  });
});

describe('search by lists of codewords', () => {
  it('gives exactly what comparing with all codewords gives', () => {
    fc.assert(
      fc.property(problem(finite, 60), ({ d, x, codebook, n: wanted, depth }) => {
        const rows = x.length / d;
        const n = Math.min(wanted, codebook.length / d);
        const tree = buildSpaceTree(x.subarray(0, Math.ceil(rows / 2) * d), d, depth);
        const leafOf = new Uint16Array(rows);
        locateRows(tree, x, leafOf, 0);
        growBoxes(tree, x, leafOf, 0);
        closeBoxes(tree);
        const exact = Float64Array.from(codebook);

        const one = nearestCodewords(x, codebook, d);
        const assignments = new Uint16Array(rows).fill(7);
        const squares = new Float64Array(rows);
        const changed = assignRows(
          x,
          d,
          0,
          rows,
          exact,
          listCodewords(tree, exact, 1),
          leafOf,
          0,
          assignments,
          squares,
        );
        expect([...assignments]).toEqual([...one.indices]);
        expect(Float32Array.from(squares)).toEqual(one.distances);
        expect(changed).toBe(one.indices.filter((j) => j !== 7).length);

        const many = nearestCodewords(x, codebook, d, n);
        const indices = new Int32Array(rows * n);
        const distances = new Float32Array(rows * n);
        const lists = listCodewords(tree, exact, n);
        assignManyRows(x, d, 0, rows, exact, lists, leafOf, 0, n, indices, distances);
        expect(indices).toEqual(many.indices);
        expect(distances).toEqual(many.distances);
      }),
      { numRuns: 1500 },
    );
  });

  it('rules most codewords out', () => {
    // 4096 points of a square in 256 cells, 64 codewords: by area a cell meets 2 to 4 of them.
    const x = Float32Array.from({ length: 8192 }, (_, i) => ((i * 7919) % 8191) / 8191);
    const tree = buildSpaceTree(x, 2, 8);
    const leafOf = new Uint16Array(4096);
    locateRows(tree, x, leafOf, 0);
    growBoxes(tree, x, leafOf, 0);
    closeBoxes(tree);
    const lists = listCodewords(tree, Float64Array.from(x.subarray(0, 128)), 1);
    expect(lists.codewords.length).toBeGreaterThan(0);
    expect(lists.start[256]! / 256).toBeLessThan(8);
  });
});
