import { ArgumentError, NonFiniteError } from '../errors.ts';
import { Pacer } from '../host/pacer.ts';
import type { WeightMatrix, WeightQuantizer } from './quantized-weight.ts';
import { type Clipping, fitGrid, roundToGrid, type UniformGrid } from './uniform-grid.ts';
import { checkUniformBits, UniformWeight } from './uniform-weight.ts';

/** All there are. */
export const GRANULARITIES = ['tensor', 'channel', 'group'] as const;
/** What shares a grid: a whole matrix, one output row, or a run of inputs within a row. */
export type Granularity = (typeof GRANULARITIES)[number];

/** Options of {@link UniformQuantizer}. */
export interface UniformOptions {
  /** Bits of a code, 2 to 8. */
  readonly bits: number;
  readonly granularity: Granularity;
  /** Neighbouring inputs that share a grid, with `group`; rows shorter than it are one group. */
  readonly groupSize?: number;
  /** Default `min-max`. */
  readonly clipping?: Clipping;
}

/** Which weights share a grid in a matrix, as {@link UniformWeight} has it. */
export interface GridLayout {
  readonly scaleRows: number;
  readonly groupSize: number;
}

/**
 * Uniform quantization: every weight goes to the nearest point of an asymmetric integer grid,
 * w^ = s (clamp(round(w / s) + z, 0, 2^b - 1) - z). A fused q, k, v counts as three matrices.
 */
export class UniformQuantizer implements WeightQuantizer<UniformWeight> {
  readonly method = 'uniform';
  private readonly options: UniformOptions;

  /** @throws ArgumentError for bits or a group size out of range */
  constructor(options: UniformOptions) {
    checkUniformOptions(options);
    this.options = options;
  }

  /** @throws NonFiniteError for NaN or infinity; InterruptedError when the signal is aborted */
  async quantize(weight: WeightMatrix, signal?: AbortSignal): Promise<UniformWeight> {
    const { name, rows, columns, data } = weight;
    const { bits, clipping = 'min-max' } = this.options;
    checkFiniteWeights(weight);
    const layout = gridLayout(weight, this.options);
    const target = emptyUniform(weight, bits, layout);
    const { groupsPerRow } = target;
    const perScaleRow = rows / layout.scaleRows;
    const pacer = new Pacer('The quantization', signal);
    pacer.check();
    for (let row = 0; row < rows; row++) {
      for (let group = 0; group < groupsPerRow; group++) {
        const from = row * columns + group * layout.groupSize;
        const to = row * columns + Math.min(columns, (group + 1) * layout.groupSize);
        const at = Math.floor(row / perScaleRow) * groupsPerRow + group;
        if (row % perScaleRow === 0) {
          // Several rows share a grid only where it spans all columns: they are one run of weights.
          const end = perScaleRow === 1 ? to : from + perScaleRow * columns;
          target.setGrid(at, fitGrid(data.subarray(from, end), bits, clipping));
        }
        const grid = target.grid(at);
        for (let i = from; i < to; i++) target.codes[i] = roundToGrid(data[i]!, grid, bits);
      }
      if (pacer.due()) await pacer.pause();
    }
    return new UniformWeight({ name, rows, columns, bits, ...layout, ...target });
  }
}

/** A uniform weight under construction. */
export interface UniformDraft {
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
  readonly zeros: Uint8Array;
  readonly groupsPerRow: number;
  grid(at: number): UniformGrid;
  setGrid(at: number, grid: UniformGrid): void;
}

/** Room for the codes and grids of a matrix. */
export function emptyUniform(
  { rows, columns }: WeightMatrix,
  bits: number,
  { scaleRows, groupSize }: GridLayout,
): UniformDraft {
  const groupsPerRow = Math.ceil(columns / groupSize);
  const scales = new Float32Array(scaleRows * groupsPerRow);
  const zeros = new Uint8Array(scaleRows * groupsPerRow);
  checkUniformBits(bits);
  return {
    codes: new Uint8Array(rows * columns),
    scales,
    zeros,
    groupsPerRow,
    grid: (at) => ({ scale: scales[at]!, zero: zeros[at]! }),
    setGrid: (at, { scale, zero }) => {
      scales[at] = scale;
      zeros[at] = zero;
    },
  };
}

/** @throws ArgumentError where the row groups do not divide the rows */
export function gridLayout(
  { name, rows, columns, groups = 1 }: WeightMatrix,
  { granularity, groupSize = columns }: UniformOptions,
): GridLayout {
  if (rows % groups !== 0) {
    throw new ArgumentError(`${name}: ${groups} row groups do not divide ${rows} rows.`);
  }
  switch (granularity) {
    case 'tensor':
      return { scaleRows: groups, groupSize: columns };
    case 'channel':
      return { scaleRows: rows, groupSize: columns };
    case 'group':
      return { scaleRows: rows, groupSize: Math.min(groupSize, columns) };
  }
}

/** @throws ArgumentError */
export function checkUniformOptions({ bits, granularity, groupSize }: UniformOptions): void {
  checkUniformBits(bits);
  if (granularity !== 'group') return;
  if (groupSize === undefined || !Number.isInteger(groupSize) || groupSize < 2) {
    throw new ArgumentError(
      `The group size must be an integer of at least 2, not ${groupSize ?? 'missing'}.`,
    );
  }
}

/** @throws NonFiniteError that names the first weight that is NaN or infinite */
export function checkFiniteWeights({ name, columns, data }: WeightMatrix): void {
  const bad = data.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new NonFiniteError(
      `${name}: the weight in row ${Math.floor(bad / columns)}, column ${bad % columns} is ${data[bad]}; only finite weights can be quantized.`,
    );
  }
}
