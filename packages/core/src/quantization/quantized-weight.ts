import { ArgumentError, IndexError } from '../errors.ts';

/** A floating-point weight matrix [rows, columns], row-major, on its way into a quantizer. */
export interface WeightMatrix {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly data: Float32Array;
  /**
   * Equal runs of rows that are separate matrices in truth: 3 for a fused q, k, v. Each gets a
   * codebook of its own. Default 1.
   */
  readonly groups?: number;
}

/** What every method returns: something that takes the matrix's place and can give it back. */
export interface QuantizedWeight {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** The matrix that is computed with, [rows, columns]. */
  reconstruct(): Float32Array;
}

/** Root mean square of W - W^ over the elements of a matrix. */
export function weightError({ data }: WeightMatrix, quantized: QuantizedWeight): number {
  const approximation = quantized.reconstruct();
  let sum = 0;
  for (let i = 0; i < data.length; i++) sum += (data[i]! - approximation[i]!) ** 2;
  return Math.sqrt(sum / data.length);
}

/** One way to quantize a weight matrix on its own. */
export interface WeightQuantizer<Q extends QuantizedWeight = QuantizedWeight> {
  /** Name of the method, as the command line spells it. */
  readonly method: string;
  /**
   * Quantizes one matrix.
   *
   * @throws NonFiniteError for NaN or infinity in it; InterruptedError when the signal is aborted
   */
  quantize(weight: WeightMatrix, signal?: AbortSignal): Promise<Q>;
}

/** The parts of a {@link VqWeight}. */
export interface VqWeightParts {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly groups: number;
  /** Codewords of each codebook. */
  readonly k: number;
  /** Weights of one sub-vector. */
  readonly d: number;
  /** [groups, k, d] */
  readonly codebook: Float32Array;
  /** One code per sub-vector, row-major [rows, columns / d], counted within its group's codebook. */
  readonly codes: Uint16Array;
}

/** A vector-quantized matrix: every sub-vector of d neighbouring weights in a row is a codeword. */
export class VqWeight implements QuantizedWeight, VqWeightParts {
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  readonly groups: number;
  readonly k: number;
  readonly d: number;
  readonly codebook: Float32Array;
  readonly codes: Uint16Array;

  /** @throws ArgumentError or IndexError if the parts do not fit together. */
  constructor(parts: VqWeightParts) {
    const { name, rows, columns, groups, k, d, codebook, codes } = parts;
    if (columns % d !== 0 || rows % groups !== 0) {
      throw new ArgumentError(
        `${name}: sub-vectors of ${d} weights and ${groups} row groups do not divide a ${rows} x ${columns} matrix.`,
      );
    }
    if (codebook.length !== groups * k * d || codes.length !== (rows * columns) / d) {
      throw new ArgumentError(
        `${name}: ${codes.length} codes and ${codebook.length} codebook elements do not describe a ${rows} x ${columns} matrix with ${groups} x ${k} codewords of ${d}.`,
      );
    }
    for (let i = 0; i < codes.length; i++) {
      if (codes[i]! >= k) {
        throw new IndexError(
          `${name}: code ${codes[i]} at position ${i} has no codeword; the codebook has ${k}.`,
        );
      }
    }
    this.name = name;
    this.rows = rows;
    this.columns = columns;
    this.groups = groups;
    this.k = k;
    this.d = d;
    this.codebook = codebook;
    this.codes = codes;
  }

  /** Sub-vectors of one row group. */
  get subvectorsPerGroup(): number {
    return this.codes.length / this.groups;
  }

  reconstruct(): Float32Array {
    const { d, k, codebook, codes, subvectorsPerGroup } = this;
    const out = new Float32Array(this.rows * this.columns);
    for (let group = 0; group < this.groups; group++) {
      const end = (group + 1) * subvectorsPerGroup;
      for (let i = group * subvectorsPerGroup; i < end; i++) {
        const from = (group * k + codes[i]!) * d;
        for (let j = 0; j < d; j++) out[i * d + j] = codebook[from + j]!;
      }
    }
    return out;
  }
}
