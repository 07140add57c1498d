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
  const problem = {
    ...options,
    gram: damped,
    blocks: diagonalBlocks(damped, columns, quantized.d),
  };
  const choice = start ? Int32Array.from(start) : new Int32Array(count);
  const pacer = new Pacer('The choice of assignments', options.signal);
  pacer.check();
  for (let row = 0; row < rows; row++) {
    descend(problem, row, sweeps, choice);
    if (pacer.due()) await pacer.pause();
  }
  return choice;
}

interface Problem extends OutputErrorOptions {
  /** What H holds for each sub-vector of a row alone, [columns / d, d, d]. */
  readonly blocks: Float64Array;
}

/** Side by side, for H itself is too large for a processor's nearest caches. */
function diagonalBlocks(gram: Float64Array, columns: number, d: number): Float64Array {
  const blocks = new Float64Array(columns * d);
  for (let i = 0; i < columns; i++) {
    const from = i * columns + i - (i % d);
    blocks.set(gram.subarray(from, from + d), i * d);
  }
  return blocks;
}

/** All passes over one row; the rows of a matrix do not depend on each other. */
function descend(
  { weight, quantized, candidates, gram, blocks, slope: known }: Problem,
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
  const codeword = (i: number, j: number) => base + candidates[(first + i) * n + j]! * d;

  const step = new Float64Array(d);
  const slope = new Float64Array(columns); // H (w - w^), kept up to date
  if (known) slope.set(known.subarray(row * columns, (row + 1) * columns));
  else {
    const wanted = weight.data.subarray(row * columns, (row + 1) * columns);
    for (let i = 0; i < perRow; i++) {
      const from = codeword(i, choice[first + i]!);
      for (let c = 0; c < d; c++) step[c] = wanted[i * d + c]! - codebook[from + c]!;
      addProduct(slope, gram, i * d, step);
    }
  }

  /** The error moves by `step` when sub-vector i takes the codeword at `to` instead of that at `from`. */
  const stepBetween = (from: number, to: number) => {
    for (let c = 0; c < d; c++) step[c] = codebook[from + c]! - codebook[to + c]!;
  };
  for (let sweep = 0; sweep < sweeps; sweep++) {
    let changed = false;
    for (let i = 0; i < perRow; i++) {
      const present = choice[first + i]!;
      const current = codeword(i, present);
      let best = present;
      let bestChange = 0;
      for (let j = 0; j < n; j++) {
        if (j === present) continue;
        stepBetween(current, codeword(i, j));
        const change = objectiveChange(step, slope, blocks, i * d);
        if (change < bestChange) {
          bestChange = change;
          best = j;
        }
      }
      if (best === present) continue;
      stepBetween(current, codeword(i, best));
      addProduct(slope, gram, i * d, step);
      choice[first + i] = best;
      changed = true;
    }
    if (!changed) return;
  }
}

/**
 * By how much the objective changes when the error moves by a step in the d columns from `at`:
 * 2 step . slope + step^T H step.
 */
function objectiveChange(
  step: Float64Array,
  slope: Float64Array,
  blocks: Float64Array,
  at: number,
): number {
  const d = step.length;
  let change = 0;
  for (let a = 0; a < d; a++) {
    let product = 2 * slope[at + a]!;
    for (let b = 0; b < d; b++) product += blocks[(at + a) * d + b]! * step[b]!;
    change += step[a]! * product;
  }
  return change;
}

/** slope += H step for a step in the columns from `at`; H is symmetric, so its rows are its columns. */
function addProduct(slope: Float64Array, gram: Float64Array, at: number, step: Float64Array): void {
  const columns = slope.length;
  let c = 0;
  // Two rows at a time: the slope is read and written half as often.
  for (; c + 1 < step.length; c += 2) {
    const [one, two] = [step[c]!, step[c + 1]!];
    const from = (at + c) * columns;
    for (let i = 0; i < columns; i++) {
      slope[i] = slope[i]! + one * gram[from + i]! + two * gram[from + columns + i]!;
    }
  }
  if (c < step.length) {
    const from = (at + c) * columns;
    for (let i = 0; i < columns; i++) slope[i]! += step[c]! * gram[from + i]!;
  }
}
