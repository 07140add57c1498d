import { type Comparator, listMismatches, show } from './comparators.ts';
import type { HostTensor } from './host-tensor.ts';

/** Squared Euclidean distances and norms in float64, for judging assignments. */
export interface DistanceOracle {
  /** |x_row - c_codeword|^2 in float64. */
  distance(row: number, codeword: number): number;
  /**
   * How far a computed distance may be off: 2 (d + 4) u (|x|^2 + |c|^2). The form
   * |x|^2 - 2 x.c + |c|^2 adds d + 4 rounding errors of at most u (|x| + |c|)^2, and
   * (|x| + |c|)^2 <= 2 (|x|^2 + |c|^2); summing squared differences stays below that.
   */
  uncertainty(row: number, codeword: number, u: number): number;
}

/** x [N, d], codebook [k, d]. */
export function distanceOracle(x: HostTensor, codebook: HostTensor): DistanceOracle {
  const d = x.shape[1]!;
  const norm = (t: HostTensor, row: number) => {
    let sum = 0;
    for (let j = 0; j < d; j++) sum += t.data[row * d + j]! ** 2;
    return sum;
  };
  return {
    distance(row, codeword) {
      let sum = 0;
      for (let j = 0; j < d; j++) {
        sum += (x.data[row * d + j]! - codebook.data[codeword * d + j]!) ** 2;
      }
      return sum;
    },
    uncertainty: (row, codeword, u) => 2 * (d + 4) * u * (norm(x, row) + norm(codebook, codeword)),
  };
}

/**
 * Assignments [N, n]: another codeword than the reference's is accepted only where its true
 * distance is the same within the rounding of both. No codeword may come twice in a row.
 */
export function assignment(oracle: DistanceOracle, n: number, k: number): Comparator {
  return (got, want, { productU }) =>
    listMismatches(want.length, (i) => {
      const row = Math.floor(i / n);
      const [g, w] = [got[i]!, want[i]!];
      if (!(Number.isInteger(g) && g >= 0 && g < k)) return `got ${show(g)}, not a codeword`;
      for (let j = row * n; j < i; j++) {
        if (got[j] === g) return `codeword ${g} is named twice in row ${row}`;
      }
      if (g === w) return undefined;
      const excess = Math.abs(oracle.distance(row, g) - oracle.distance(row, w));
      const tau = oracle.uncertainty(row, g, productU) + oracle.uncertainty(row, w, productU);
      return excess <= tau
        ? undefined
        : `codeword ${g} instead of ${w} in row ${row} (distances differ by ${show(excess)}, allowed ${show(tau)})`;
    });
}

/** Distances [N, n] that belong to {@link assignment}; each row must not descend. */
export function assignedDistances(
  oracle: DistanceOracle,
  wantIndices: ArrayLike<number>,
  n: number,
): Comparator {
  return (got, want, { productU, u }) =>
    listMismatches(want.length, (i) => {
      const row = Math.floor(i / n);
      const tau = 2 * oracle.uncertainty(row, wantIndices[i]!, productU) + u * want[i]!;
      if (!(Math.abs(got[i]! - want[i]!) <= tau)) {
        return `distance ${show(got[i]!)}, expected ${show(want[i]!)} (allowed ${show(tau)})`;
      }
      if (i % n > 0 && got[i]! < got[i - 1]! - tau) return `row ${row} is not sorted`;
      return undefined;
    });
}
