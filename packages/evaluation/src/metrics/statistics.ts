import { ArgumentError, NonFiniteError, ShapeError } from '@vq4dit/core';

/** Mean and covariance of a set of feature vectors: all that the Fréchet distance needs of it. */
export interface GaussianStatistics {
  /** How many vectors; undefined where a reference batch does not say. */
  readonly count?: number | undefined;
  /** [F] */
  readonly mean: Float64Array;
  /** [F, F], row-major, divided by count - 1. */
  readonly covariance: Float64Array;
}

/**
 * Accumulates mean and covariance of feature vectors in float64, batch by batch: memory is that of
 * one F x F matrix, however many vectors there are. Sums are taken around the first vector, so that
 * features far from zero lose no digits.
 */
export class StatisticsAccumulator {
  /** F, the length of a vector. */
  readonly features: number;
  private seen = 0;
  private origin: Float64Array | undefined; // [F]
  private readonly sum: Float64Array; // [F]
  private readonly products: Float64Array; // [F, F], upper triangle

  /** @throws ArgumentError where `features` is not a positive integer */
  constructor(features: number) {
    if (!Number.isInteger(features) || features < 1) {
      throw new ArgumentError(
        `The number of features must be a positive integer, not ${features}.`,
      );
    }
    this.features = features;
    this.sum = new Float64Array(features);
    this.products = new Float64Array(features * features);
  }

  /** Vectors added so far. */
  get count(): number {
    return this.seen;
  }

  /**
   * Adds vectors.
   *
   * @param batch [N, F], row-major
   * @throws ShapeError where the length is not a multiple of F
   * @throws NonFiniteError for NaN or infinity; nothing of the batch is added then
   */
  add(batch: Float32Array | Float64Array): void {
    const { features } = this;
    if (batch.length % features !== 0) {
      throw new ShapeError(
        `${batch.length} values are not a whole number of vectors of ${features} features.`,
      );
    }
    const bad = batch.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const [row, column] = [Math.floor(bad / features), bad % features];
      throw new NonFiniteError(
        `Feature ${column} of vector ${this.seen + row} is ${batch[bad]}; statistics need finite features.`,
      );
    }
    if (batch.length === 0) return;
    this.origin ??= Float64Array.from(batch.subarray(0, features));
    const shifted = new Float64Array(features);
    for (let at = 0; at < batch.length; at += features) {
      for (let i = 0; i < features; i++) {
        const value = batch[at + i]! - this.origin[i]!;
        shifted[i] = value;
        this.sum[i]! += value;
      }
      for (let i = 0; i < features; i++) {
        const value = shifted[i]!;
        // Many features are zero after a ReLU; their products need not be added.
        if (value === 0) continue;
        const row = i * features;
        for (let j = i; j < features; j++) this.products[row + j]! += value * shifted[j]!;
      }
      this.seen++;
    }
  }

  /**
   * Mean and covariance of what was added.
   *
   * @throws ArgumentError with fewer than two vectors
   */
  finish(): GaussianStatistics {
    const { features, seen, sum, products } = this;
    if (seen < 2) {
      throw new ArgumentError(
        `A covariance needs at least 2 images, got ${seen}; give more images.`,
      );
    }
    const mean = sum.map((value, i) => this.origin![i]! + value / seen);
    const covariance = new Float64Array(features * features);
    for (let i = 0; i < features; i++) {
      for (let j = i; j < features; j++) {
        const centred = products[i * features + j]! - (sum[i]! * sum[j]!) / seen;
        covariance[i * features + j] = centred / (seen - 1);
        covariance[j * features + i] = centred / (seen - 1);
      }
    }
    return { count: seen, mean, covariance };
  }
}

/** Statistics of vectors that are all there at once, [N, F]. @throws as {@link StatisticsAccumulator} */
export function statisticsOf(
  vectors: Float32Array | Float64Array,
  features: number,
): GaussianStatistics {
  const accumulator = new StatisticsAccumulator(features);
  accumulator.add(vectors);
  return accumulator.finish();
}
