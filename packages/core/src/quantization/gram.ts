import { ArgumentError, ShapeError } from '../errors.ts';
import type { WeightMatrix } from './quantized-weight.ts';

/**
 * A Gram matrix [n, n] with a part of the mean of its diagonal added to the diagonal, so that no
 * direction in which no input was seen is free. A matrix of zeros stays one.
 *
 * @throws ArgumentError for a negative damping
 */
export function dampedGram(gram: Float64Array, n: number, damping: number): Float64Array {
  if (!(damping >= 0)) {
    throw new ArgumentError(`The damping must be a number of at least 0, not ${damping}.`);
  }
  let trace = 0;
  for (let i = 0; i < n; i++) trace += gram[i * n + i]!;
  const damped = gram.slice();
  for (let i = 0; i < n; i++) damped[i * n + i]! += (damping * trace) / n;
  return damped;
}

/**
 * How far the output of a layer moves when its matrix W is replaced: the mean over inputs of
 * |(W - W^) x|^2 = trace((W - W^) H (W - W^)^T), H = E[x x^T] (GPTQ, equation 1).
 *
 * @param approximation W^, [rows, columns]
 * @param gram H, [columns, columns]
 * @returns the error summed over the outputs
 * @throws ShapeError where the sizes do not fit
 */
export function layerOutputError(
  { name, rows, columns, data }: WeightMatrix,
  approximation: Float32Array,
  gram: Float64Array,
): number {
  if (approximation.length !== data.length || gram.length !== columns * columns) {
    throw new ShapeError(
      `${name}: ${approximation.length} weights and a Gram matrix of ${gram.length} do not fit a ${rows} x ${columns} matrix.`,
    );
  }
  const error = new Float64Array(columns);
  let total = 0;
  for (let row = 0; row < rows; row++) {
    for (let i = 0; i < columns; i++) {
      error[i] = data[row * columns + i]! - approximation[row * columns + i]!;
    }
    for (let i = 0; i < columns; i++) {
      if (error[i] === 0) continue;
      let product = 0;
      for (let j = 0; j < columns; j++) product += gram[i * columns + j]! * error[j]!;
      total += error[i]! * product;
    }
  }
  return total;
}
