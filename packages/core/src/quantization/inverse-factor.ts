import { ArgumentError } from '../errors.ts';
import type { Pacer } from '../host/pacer.ts';

/**
 * The upper triangular U with H^-1 = U^T U, which is the transposed Cholesky factor of H^-1 that GPTQ
 * takes its updates from (Frantar et al. 2022, step 3). H^-1 itself is not computed: with the factor
 * R of H = R R^T, R upper triangular, U is R^-1.
 *
 * @param matrix [n, n] symmetric, positive definite; left alone
 * @returns [n, n], zero below the diagonal. About n^3 / 2 multiplications.
 * @throws ArgumentError where the matrix is not positive definite
 */
export async function inverseFactor(
  matrix: Float64Array,
  n: number,
  pacer: Pacer,
): Promise<Float64Array> {
  const r = new Float64Array(n * n);
  for (let j = n - 1; j >= 0; j--) {
    const pivot = matrix[j * n + j]! - dot(r, j * n, j * n, j + 1, n);
    if (!(pivot > 0)) {
      throw new ArgumentError(
        `The Hessian is not positive definite (pivot ${j} is ${pivot}); choose a larger damping.`,
      );
    }
    const diagonal = Math.sqrt(pivot);
    r[j * n + j] = diagonal;
    for (let i = 0; i < j; i++) {
      r[i * n + j] = (matrix[i * n + j]! - dot(r, i * n, j * n, j + 1, n)) / diagonal;
    }
    if (pacer.due()) await pacer.pause();
  }
  // U = R^-1, from the last row up: U_i = (e_i - sum over k > i of R_ik U_k) / R_ii.
  const u = new Float64Array(n * n);
  for (let i = n - 1; i >= 0; i--) {
    for (let k = i + 1; k < n; k++) {
      const factor = r[i * n + k]!;
      if (factor === 0) continue;
      for (let j = k; j < n; j++) u[i * n + j]! -= factor * u[k * n + j]!;
    }
    const scale = 1 / r[i * n + i]!;
    for (let j = i + 1; j < n; j++) u[i * n + j]! *= scale;
    u[i * n + i] = scale;
    if (pacer.due()) await pacer.pause();
  }
  return u;
}

function dot(r: Float64Array, a: number, b: number, from: number, to: number): number {
  let sum = 0;
  for (let k = from; k < to; k++) sum += r[a + k]! * r[b + k]!;
  return sum;
}
