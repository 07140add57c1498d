import { ShapeError } from '../errors.ts';
import { Pacer } from '../host/pacer.ts';
import { dampedGram } from './gram.ts';
import type { VqWeight, WeightMatrix } from './quantized-weight.ts';

/** What {@link assignByOutputError} works on. */
export interface OutputErrorOptions {
  /** The floating-point matrix W, [rows, columns]. */
  readonly weight: WeightMatrix;
  /** Its codebooks; the codes are not looked at. */
  readonly quantized: VqWeight;
  /** [N, n] candidate codes within their group, N = rows * columns / d. */
  readonly candidates: Int32Array;
  /** Mean of x x^T over inputs x of the layer, [columns, columns], symmetric. */
  readonly gram: Float64Array;
  /** [N] positions to start from. Default: the first candidates. */
  readonly start?: Int32Array;
  /**
   * [rows, columns] the error that `start` makes, W - W^, times the damped Gram matrix, where it is
   * known already: it is most of the work of the first pass.
   */
  readonly slope?: Float32Array;
  /** Most passes over all sub-vectors. Default 4. */
  readonly sweeps?: number;
  /** Part of the mean of the Gram matrix's diagonal that is added to it. Default 0.01. */
  readonly damping?: number;
  readonly signal?: AbortSignal;
}

/**
 * Chooses one candidate for each sub-vector so that the layer's output changes least: minimizes
 * E |(W - W^) x|^2 = trace((W - W^) H (W - W^)^T) with H = E[x x^T], by coordinate descent over the
 * sub-vectors of each row, starting from the nearest candidates unless told otherwise.
 *
 * Candidates alone are a Euclidean choice, as if inputs were white noise. Inputs are correlated, so
 * that the error of one sub-vector can be made to cancel that of another; a choice that is not the
 * nearest is often better. This is the objective of GPTQ (Frantar et al. 2022, equation 1) over the
 * candidate sets of VQ4DiT (equation 5). No pass raises the objective.
 *
 * The damping keeps directions in which no input was seen from being free. About
 * rows * columns^2 multiplications, fewer with every pass.
 *
 * @returns [N] position of the chosen candidate within its set
 * @throws ShapeError where the parts do not fit together; ArgumentError for a negative damping;
 *   InterruptedError when the signal is aborted
 */
export async function assignByOutputError(options: OutputErrorOptions): Promise<Int32Array> {
  const { weight, quantized, candidates, gram, sweeps = 4, damping = 0.01 } = options;
  const { rows, columns } = weight;
  const count = (rows * columns) / quantized.d;
  const { start, slope } = options;
  if (
    gram.length !== columns * columns ||
    candidates.length % count !== 0 ||
    (start && start.length !== count) ||
    (slope && slope.length !== rows * columns)
  ) {
    throw new ShapeError(
      `${weight.name}: a Gram matrix of ${gram.length} elements and ${candidates.length} candidates do not fit a ${rows} x ${columns} matrix.`,
    );
  }
  const damped = dampedGram(gram, columns, damping);
  const choice = start ? Int32Array.from(start) : new Int32Array(count);
  const pacer = new Pacer('The choice of assignments', options.signal);
  pacer.check();
  for (let row = 0; row < rows; row++) {
    descend({ ...options, weight, gram: damped }, row, sweeps, choice);
    if (pacer.due()) await pacer.pause();
  }
  return choice;
}

/** All passes over one row; the rows of a matrix do not depend on each other. */
function descend(
  { weight, quantized, candidates, gram, slope: known }: OutputErrorOptions,
  row: number,
  sweeps: number,
  choice: Int32Array,
): void {
  const { columns } = weight;
  const { d, k, codebook, subvectorsPerGroup } = quantized;
  const perRow = columns / d;
  const first = row * perRow; // sub-vector of the row's start
  const n = candidates.length / choice.length;
  const base = Math.floor(first / subvectorsPerGroup) * k * d; // the group's codebook
  const wanted = weight.data.subarray(row * columns, (row + 1) * columns);
  const codeword = (i: number, j: number) => base + candidates[(first + i) * n + j]! * d;

  // error = w - w^ and slope = H error, both [columns] and kept up to date.
  const error = new Float64Array(columns);
  const slope = new Float64Array(columns);
  for (let i = 0; i < perRow; i++) {
    const from = codeword(i, choice[first + i]!);
    for (let c = 0; c < d; c++) error[i * d + c] = wanted[i * d + c]! - codebook[from + c]!;
  }
  if (known) slope.set(known.subarray(row * columns, (row + 1) * columns));
  else for (let i = 0; i < columns; i++) addScaled(slope, gram, i * columns, error[i]!);

  const step = new Float64Array(d);
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let changed = false;
    for (let i = 0; i < perRow; i++) {
      const current = codeword(i, choice[first + i]!);
      let best = choice[first + i]!;
      let bestChange = 0;
      for (let j = 0; j < n; j++) {
        if (j === choice[first + i]) continue;
        // The error moves by `step`: the objective changes by 2 step . slope + step^T H step.
        const other = codeword(i, j);
        for (let c = 0; c < d; c++) step[c] = codebook[current + c]! - codebook[other + c]!;
        const change = objectiveChange(step, slope, gram, i * d, columns);
        if (change < bestChange) {
          bestChange = change;
          best = j;
        }
      }
      if (best === choice[first + i]) continue;
      const to = codeword(i, best);
      for (let c = 0; c < d; c++) {
        addScaled(slope, gram, (i * d + c) * columns, codebook[current + c]! - codebook[to + c]!);
      }
      choice[first + i] = best;
      changed = true;
    }
    if (!changed) return;
  }
}

/** 2 step . slope + step^T H step for a step in the d columns from `at`. */
function objectiveChange(
  step: Float64Array,
  slope: Float64Array,
  gram: Float64Array,
  at: number,
  columns: number,
): number {
  let change = 0;
  for (let a = 0; a < step.length; a++) {
    let product = 2 * slope[at + a]!;
    for (let b = 0; b < step.length; b++) product += gram[(at + a) * columns + at + b]! * step[b]!;
    change += step[a]! * product;
  }
  return change;
}

/** out += scale * row of H; H is symmetric, so its rows are its columns. */
function addScaled(out: Float64Array, gram: Float64Array, from: number, scale: number): void {
  if (scale === 0) return;
  for (let i = 0; i < out.length; i++) out[i]! += scale * gram[from + i]!;
}
