import { ArgumentError } from '../errors.ts';
import { codeWidth } from './packing.ts';

/** One weight matrix as it is stored: codes and codebooks. */
export interface LayerShape {
  readonly rows: number;
  readonly columns: number;
  /** Codewords of each codebook. */
  readonly k: number;
  /** Weights of one sub-vector; divides `columns`. */
  readonly d: number;
  /** Codebooks of the matrix, each for `rows / groups` rows: 3 for a fused q, k, v. Default 1. */
  readonly groups?: number;
  /** Bytes of one codebook element: 2 for F16, 4 for F32. */
  readonly codebookBytes: 2 | 4;
}

/** One weight matrix on uniform grids, as it is stored: codes, scales and zero points. */
export interface UniformLayerShape {
  readonly rows: number;
  readonly columns: number;
  /** Bits of a code, and of a zero point. */
  readonly bits: number;
  /** Runs of rows with grids of their own. */
  readonly scaleRows: number;
  /** Neighbouring columns that share a grid; the last group may be shorter. */
  readonly groupSize: number;
  /** Bytes of one scale: 2 for F16, 4 for F32. */
  readonly scaleBytes: 2 | 4;
}

/** What a quantized layer, or a whole model, takes; codebooks, or scales and zero points, included. */
export interface QuantizedSize {
  readonly weights: number;
  /** Bits of all codes: sub-vectors times code width. */
  readonly codeBits: number;
  /** Bits of the codebooks, or of the scales and zero points of uniform grids. */
  readonly codebookBits: number;
  /** Bytes on disk of the packed codes (each layer is rounded up to a byte) and the codebooks. */
  readonly bytes: number;
  /** (codeBits + codebookBits) / weights: the true rate, not log2(k) / d. */
  readonly bitsPerWeight: number;
}

/**
 * The size of one quantized weight matrix. Biases, which stay in floating point, are not in it.
 *
 * @throws ArgumentError when a number is not a positive integer, `d` does not divide the columns or
 *   `groups` does not divide the rows
 */
export function quantizedLayerSize(shape: LayerShape): QuantizedSize {
  const { rows, columns, k, d, groups = 1, codebookBytes } = shape;
  for (const [name, value] of Object.entries({ rows, columns, k, d, groups })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new ArgumentError(`${name} must be a positive integer, not ${value}.`);
    }
  }
  if (codebookBytes !== 2 && codebookBytes !== 4) {
    throw new ArgumentError(`codebookBytes must be 2 (F16) or 4 (F32), not ${codebookBytes}.`);
  }
  if (columns % d !== 0) {
    throw new ArgumentError(`Sub-vectors of ${d} weights do not divide rows of ${columns}.`);
  }
  if (rows % groups !== 0) {
    throw new ArgumentError(`${groups} groups do not divide ${rows} rows.`);
  }
  const weights = rows * columns;
  const codeBits = (weights / d) * codeWidth(k);
  const codebookBits = groups * k * d * codebookBytes * 8;
  const bytes = Math.ceil(codeBits / 8) + codebookBits / 8;
  return {
    weights,
    codeBits,
    codebookBits,
    bytes,
    bitsPerWeight: rate(codeBits, codebookBits, weights),
  };
}

/**
 * The size of one weight matrix on uniform grids.
 *
 * @throws ArgumentError when a number is not a positive integer
 */
export function uniformLayerSize(shape: UniformLayerShape): QuantizedSize {
  const { rows, columns, bits, scaleRows, groupSize, scaleBytes } = shape;
  for (const [name, value] of Object.entries({ rows, columns, bits, scaleRows, groupSize })) {
    if (!Number.isSafeInteger(value) || value < 1) {
      throw new ArgumentError(`${name} must be a positive integer, not ${value}.`);
    }
  }
  const weights = rows * columns;
  const codeBits = weights * bits;
  const grids = scaleRows * Math.ceil(columns / groupSize);
  const codebookBits = grids * (8 * scaleBytes + bits);
  const bytes = Math.ceil(codeBits / 8) + grids * scaleBytes + Math.ceil((grids * bits) / 8);
  return {
    weights,
    codeBits,
    codebookBits,
    bytes,
    bitsPerWeight: rate(codeBits, codebookBits, weights),
  };
}

/** The sum over layers; `bitsPerWeight` is of the sums. An empty list has rate 0. */
export function totalQuantizedSize(layers: Iterable<QuantizedSize>): QuantizedSize {
  let weights = 0;
  let codeBits = 0;
  let codebookBits = 0;
  let bytes = 0;
  for (const layer of layers) {
    weights += layer.weights;
    codeBits += layer.codeBits;
    codebookBits += layer.codebookBits;
    bytes += layer.bytes;
  }
  return {
    weights,
    codeBits,
    codebookBits,
    bytes,
    bitsPerWeight: rate(codeBits, codebookBits, weights),
  };
}

function rate(codeBits: number, codebookBits: number, weights: number): number {
  return weights === 0 ? 0 : (codeBits + codebookBits) / weights;
}
