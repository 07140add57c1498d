import { NonFiniteError, ShapeError } from '@vq4dit/core';
import { EigenvalueDecomposition, Matrix } from 'ml-matrix';
import type { GaussianStatistics } from './statistics.ts';

/**
 * The Fréchet distance of two Gaussians (Dowson & Landau 1982; FID: Heusel et al. 2017, equation 6):
 * |m1 - m2|^2 + tr(S1 + S2 - 2 (S1 S2)^(1/2)).
 *
 * The trace of the root is the sum of the roots of the eigenvalues of S1^(1/2) S2 S1^(1/2), which is
 * symmetric: no complex numbers appear and nothing has to be added to a singular covariance.
 * Eigenvalues that rounding made negative count as zero.
 *
 * @throws ShapeError where the numbers of features differ
 * @throws NonFiniteError for statistics with NaN or infinity
 */
export function frechetDistance(a: GaussianStatistics, b: GaussianStatistics): number {
  const features = a.mean.length;
  for (const { mean, covariance } of [a, b]) {
    if (mean.length !== features || covariance.length !== features ** 2) {
      throw new ShapeError(
        `The Fréchet distance needs the same features on both sides, got ${a.mean.length} and ${b.mean.length}; use the reference batch of the same network.`,
      );
    }
    if (!mean.every(Number.isFinite) || !covariance.every(Number.isFinite)) {
      throw new NonFiniteError(
        'The Fréchet distance needs finite statistics, got NaN or infinity.',
      );
    }
  }
  let distance = 0;
  for (let i = 0; i < features; i++) {
    distance += (a.mean[i]! - b.mean[i]!) ** 2;
    distance += a.covariance[i * (features + 1)]! + b.covariance[i * (features + 1)]!;
  }
  return distance - 2 * traceOfRoot(a.covariance, b.covariance, features);
}

/** tr((S1 S2)^(1/2)) of two symmetric positive semidefinite matrices. */
function traceOfRoot(s1: Float64Array, s2: Float64Array, n: number): number {
  const root = squareRoot(s1, n);
  const product = root.mmul(toMatrix(s2, n)).mmul(root);
  // Rounding leaves it slightly asymmetric; the decomposition wants the mean of both halves.
  const symmetric = Matrix.add(product, product.transpose()).mul(0.5);
  let trace = 0;
  for (const value of eigen(symmetric).realEigenvalues) trace += Math.sqrt(Math.max(0, value));
  return trace;
}

/** The symmetric positive semidefinite root: V sqrt(L) V^T. */
function squareRoot(values: Float64Array, n: number): Matrix {
  const { realEigenvalues, eigenvectorMatrix } = eigen(toMatrix(values, n));
  const roots = realEigenvalues.map((value) => Math.sqrt(Math.max(0, value)));
  const scaled = eigenvectorMatrix.clone().mulRowVector(roots);
  return scaled.mmul(eigenvectorMatrix.transpose());
}

const eigen = (matrix: Matrix) => new EigenvalueDecomposition(matrix, { assumeSymmetric: true });

function toMatrix(values: Float64Array, n: number): Matrix {
  return Matrix.from1DArray(n, n, values);
}
