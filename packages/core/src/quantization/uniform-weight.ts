import { ArgumentError, IndexError, NonFiniteError } from '../errors.ts';
import type { QuantizedWeight } from './quantized-weight.ts';

/** The parts of a {@link UniformWeight}. */
export interface UniformWeightParts {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** Bits of one code, 2 to 8. */
  readonly bits: number;
  /** Equal runs of rows with grids of their own: `rows` for one a row, 1 for one a matrix. */
  readonly scaleRows: number;
  /** Neighbouring columns that share a grid; the last group of a row may be shorter. */
  readonly groupSize: number;
  /** [scaleRows, ceil(columns / groupSize)] step of each grid, positive and finite. */
  readonly scales: Float32Array;
  /** [scaleRows, ceil(columns / groupSize)] the code that stands for 0. */
  readonly zeros: Uint8Array;
  /** [rows, columns] */
  readonly codes: Uint8Array;
}

/** Fewest and most bits of a uniform code. */
export const UNIFORM_BITS = { least: 2, most: 8 } as const;

/** A matrix on uniform grids: w^ = scale * (code - zero), with one grid for each group of weights. */
export class UniformWeight implements QuantizedWeight, UniformWeightParts {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly bits: number;
  readonly scaleRows: number;
  readonly groupSize: number;
  readonly scales: Float32Array;
  readonly zeros: Uint8Array;
  readonly codes: Uint8Array;

  /** @throws ArgumentError, IndexError or NonFiniteError if the parts do not fit together. */
  constructor(parts: UniformWeightParts) {
    const { name, rows, columns, bits, scaleRows, groupSize, scales, zeros, codes } = parts;
    checkUniformBits(bits);
    if (rows % scaleRows !== 0 || !(groupSize >= 1 && groupSize <= columns)) {
      throw new ArgumentError(
        `${name}: ${scaleRows} rows of scales for groups of ${groupSize} weights do not fit a ${rows} x ${columns} matrix.`,
      );
    }
    const grids = scaleRows * Math.ceil(columns / groupSize);
    if (scales.length !== grids || zeros.length !== grids || codes.length !== rows * columns) {
      throw new ArgumentError(
        `${name}: ${codes.length} codes, ${scales.length} scales and ${zeros.length} zero points do not describe a ${rows} x ${columns} matrix on ${grids} grids.`,
      );
    }
    const bad = scales.findIndex((scale) => !(scale > 0 && scale < Number.POSITIVE_INFINITY));
    if (bad >= 0) {
      throw new NonFiniteError(
        `${name}: scale ${bad} is ${scales[bad]}; scales must be positive and finite.`,
      );
    }
    for (const [what, values] of [['code', codes] as const, ['zero point', zeros] as const]) {
      const large = values.findIndex((value) => value >= 2 ** bits);
      if (large >= 0) {
        throw new IndexError(
          `${name}: ${what} ${values[large]} at position ${large} does not fit in ${bits} bits.`,
        );
      }
    }
    this.name = name;
    this.rows = rows;
    this.columns = columns;
    this.bits = bits;
    this.scaleRows = scaleRows;
    this.groupSize = groupSize;
    this.scales = scales;
    this.zeros = zeros;
    this.codes = codes;
  }

  /** Grids along one row. */
  get groupsPerRow(): number {
    return Math.ceil(this.columns / this.groupSize);
  }

  reconstruct(): Float32Array {
    const { rows, columns, groupSize, groupsPerRow, scales, zeros, codes } = this;
    const perScaleRow = rows / this.scaleRows;
    const out = new Float32Array(rows * columns);
    for (let row = 0; row < rows; row++) {
      const grids = Math.floor(row / perScaleRow) * groupsPerRow;
      for (let group = 0; group < groupsPerRow; group++) {
        const scale = scales[grids + group]!;
        const zero = zeros[grids + group]!;
        const end = row * columns + Math.min(columns, (group + 1) * groupSize);
        for (let i = row * columns + group * groupSize; i < end; i++) {
          out[i] = scale * (codes[i]! - zero);
        }
      }
    }
    return out;
  }
}

/** @throws ArgumentError for a width that no uniform code has */
export function checkUniformBits(bits: number): void {
  const { least, most } = UNIFORM_BITS;
  if (!Number.isInteger(bits) || bits < least || bits > most) {
    throw new ArgumentError(`Uniform codes have ${least} to ${most} bits, not ${bits}.`);
  }
}
