import { ArgumentError, ShapeError } from '../errors.ts';
import { Pacer } from '../host/pacer.ts';
import { dampedGram } from './gram.ts';
import { inverseFactor } from './inverse-factor.ts';
import type { WeightMatrix, WeightQuantizer } from './quantized-weight.ts';
import {
  checkFiniteWeights,
  checkUniformOptions,
  emptyUniform,
  type GridLayout,
  gridLayout,
  type UniformDraft,
  type UniformOptions,
} from './uniform.ts';
import { fitGrid, roundToGrid } from './uniform-grid.ts';
import { UniformWeight } from './uniform-weight.ts';

/** Options of {@link GptqQuantizer}. */
export interface GptqOptions extends UniformOptions {
  /** Mean of x x^T over the inputs of a layer, [columns, columns]; asked for once a layer. */
  readonly gramOf: (layer: string) => Float64Array;
  /** Part of the mean of the Hessian's diagonal that is added to it. Default 0.01. */
  readonly damping?: number;
  /** Columns in the order of falling diagonal of the Hessian instead of from left to right. */
  readonly actOrder?: boolean;
}

/** Rows that are quantized together, so that a row of the factor is read once for all of them. */
const ROW_BATCH = 32;

/**
 * GPTQ (Frantar et al. 2022): minimizes the error of the layer's output (equation 1) column by
 * column. A column is rounded to its grid, and its error is made good by the columns that are still
 * free, by the row of the Cholesky factor of H^-1 (equation 2 in the form of step 3 of the paper).
 *
 * H = 2 X X^T is taken from the Gram matrix of the layer's inputs; the factor 2 and the number of
 * inputs cancel. The paper's lazy blocks of columns (equations 4 and 5) are a way to use the caches:
 * here batches of rows do that, with the same result. Grids of groups are fitted when their first
 * column is reached, to the weights as they then are; with `actOrder` to the original weights,
 * because a group's columns are then not visited together.
 */
export class GptqQuantizer implements WeightQuantizer<UniformWeight> {
  readonly method = 'gptq';
  private readonly options: GptqOptions;

  /** @throws ArgumentError for an option out of range */
  constructor(options: GptqOptions) {
    checkUniformOptions(options);
    this.options = options;
  }

  /**
   * @throws NonFiniteError for NaN or infinity; ShapeError for a Gram matrix of another size;
   *   ArgumentError where the damped Hessian is singular; InterruptedError when the signal is aborted
   */
  async quantize(weight: WeightMatrix, signal?: AbortSignal): Promise<UniformWeight> {
    const { name, rows, columns } = weight;
    const { bits, damping = 0.01, actOrder = false } = this.options;
    checkFiniteWeights(weight);
    const gram = this.options.gramOf(name);
    if (gram.length !== columns * columns) {
      throw new ShapeError(
        `${name}: a Gram matrix of ${gram.length} elements does not fit rows of ${columns} weights.`,
      );
    }
    const pacer = new Pacer('The quantization', signal);
    pacer.check();
    const hessian = hessianOf(gram, columns, damping);
    const order = columnOrder(hessian, columns, actOrder);
    const factor = await this.factorOf(name, permuted(hessian, columns, order), columns, pacer);

    const layout = gridLayout(weight, this.options);
    const draft = emptyUniform(weight, bits, layout);
    const early = actOrder || layout.groupSize === columns;
    if (early) this.fitOriginal(weight, layout, draft);
    for (let row = 0; row < rows; row += ROW_BATCH) {
      this.quantizeRows(weight, { row, factor, order, layout, draft, early });
      if (pacer.due()) await pacer.pause();
    }
    return new UniformWeight({ name, rows, columns, bits, ...layout, ...draft });
  }

  private async factorOf(name: string, hessian: Float64Array, columns: number, pacer: Pacer) {
    try {
      return await inverseFactor(hessian, columns, pacer);
    } catch (error) {
      if (!(error instanceof ArgumentError)) throw error;
      throw new ArgumentError(`${name}: ${error.message}`, { cause: error });
    }
  }

  /** All grids from the weights as they are, as rounding to nearest has them. */
  private fitOriginal({ columns, rows, data }: WeightMatrix, layout: GridLayout, to: UniformDraft) {
    const { bits, clipping = 'min-max' } = this.options;
    const perScaleRow = rows / layout.scaleRows;
    for (let at = 0; at < to.scales.length; at++) {
      const start = Math.floor(at / to.groupsPerRow) * perScaleRow * columns;
      const group = at % to.groupsPerRow;
      const from = start + group * layout.groupSize;
      const end =
        perScaleRow === 1
          ? start + Math.min(columns, (group + 1) * layout.groupSize)
          : start + perScaleRow * columns;
      to.setGrid(at, fitGrid(data.subarray(from, end), bits, clipping));
    }
  }

  /** The columns of up to ROW_BATCH rows, one after the other. */
  private quantizeRows(
    { rows, columns, data }: WeightMatrix,
    job: {
      readonly row: number;
      readonly factor: Float64Array;
      readonly order: Int32Array;
      readonly layout: GridLayout;
      readonly draft: UniformDraft;
      readonly early: boolean;
    },
  ): void {
    const { bits, clipping = 'min-max' } = this.options;
    const { row: first, factor, order, layout, draft } = job;
    const { scaleRows, groupSize } = layout;
    const count = Math.min(ROW_BATCH, rows - first);
    const work = new Float64Array(count * columns); // the rows in the order of visit
    for (let r = 0; r < count; r++) {
      for (let i = 0; i < columns; i++) {
        work[r * columns + i] = data[(first + r) * columns + order[i]!]!;
      }
    }
    for (let i = 0; i < columns; i++) {
      const column = order[i]!;
      const diagonal = factor[i * columns + i]!;
      for (let r = 0; r < count; r++) {
        const row = first + r;
        const scaleRow = Math.floor((row * scaleRows) / rows);
        const at = scaleRow * draft.groupsPerRow + Math.floor(column / groupSize);
        const start = r * columns;
        if (!job.early && column % groupSize === 0) {
          const end = start + Math.min(columns, column + groupSize);
          draft.setGrid(at, fitGrid(work.subarray(start + column, end), bits, clipping));
        }
        const grid = draft.grid(at);
        const value = work[start + i]!;
        const code = roundToGrid(value, grid, bits);
        draft.codes[row * columns + column] = code;
        const error = (value - grid.scale * (code - grid.zero)) / diagonal;
        if (error === 0) continue;
        const line = i * columns;
        for (let j = i + 1; j < columns; j++) work[start + j]! -= error * factor[line + j]!;
      }
    }
  }
}

/** The damped Hessian; where no input was ever seen, the identity: then all columns count alike. */
function hessianOf(gram: Float64Array, columns: number, damping: number): Float64Array {
  const hessian = dampedGram(gram, columns, damping);
  if (gram.every((value) => value === 0)) {
    for (let i = 0; i < columns; i++) hessian[i * columns + i] = 1;
  }
  return hessian;
}

/** Position i is visited as the i-th: which column is that. */
function columnOrder(hessian: Float64Array, columns: number, actOrder: boolean): Int32Array {
  const order = Int32Array.from({ length: columns }, (_, i) => i);
  const importance = (column: number) => hessian[column * columns + column]!;
  return actOrder ? order.sort((a, b) => importance(b) - importance(a) || a - b) : order;
}

function permuted(matrix: Float64Array, n: number, order: Int32Array): Float64Array {
  const out = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < n; j++) out[i * n + j] = matrix[order[i]! * n + order[j]!]!;
  }
  return out;
}
