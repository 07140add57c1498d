import {
  codeWidth,
  FileFormatError,
  NonFiniteError,
  type PackedWeightParts,
  packedByteLength,
  unpackCodes,
  VqError,
  VqWeight,
} from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import type { ModelTensors } from '../model/model-file.ts';
import type { TensorEntry } from '../tensor/tensor-file.ts';
import { codebookName, codesName, type QuantizedLayerInfo, weightName } from './format.ts';

/** The shape under which a layer's packed codes are stored: readable as a matrix where they are bytes. */
export function codesShape(layer: Omit<QuantizedLayerInfo, 'codebookDType'>): number[] {
  const { rows, columns, d, k } = layer;
  const width = codeWidth(k);
  if (width === 8) return [rows, columns / d];
  return [packedByteLength((rows * columns) / d, width)];
}

/**
 * Checks that a layer's tensors are there in exactly the form that the table of layers gives them.
 *
 * @throws FileFormatError that names the tensor
 */
export function checkLayerTensors(file: ModelTensors, layer: QuantizedLayerInfo): void {
  const { name, groups, k, d, codebookDType } = layer;
  checkTensor(file, codesName(name), 'U8', codesShape(layer));
  checkTensor(file, codebookName(name), codebookDType, [groups, k, d]);
  if (file.has(weightName(name))) {
    throw new FileFormatError(
      `${file.name}: layer ${quote(name)} is quantized, but its ${quote(weightName(name))} is there as well.`,
    );
  }
}

function checkTensor(
  file: ModelTensors,
  name: string,
  dtype: TensorEntry['dtype'],
  shape: readonly number[],
): void {
  if (!file.has(name)) throw new FileFormatError(`${file.name}: tensor ${quote(name)} is missing.`);
  const found = file.entry(name);
  if (found.dtype !== dtype || found.shape.join() !== shape.join()) {
    throw new FileFormatError(
      `${file.name}: tensor ${quote(name)} is ${found.dtype} [${found.shape}], but its layer needs ${dtype} [${shape}].`,
    );
  }
}

/**
 * Reads one layer whose tensors have been checked.
 *
 * @throws FileFormatError for a code without a codeword, or unused bits that are not zero
 * @throws NonFiniteError where the codebook holds NaN or infinity
 */
export async function readLayer(file: ModelTensors, layer: QuantizedLayerInfo): Promise<VqWeight> {
  const { name, rows, columns, groups, k, d } = layer;
  const codebook = await readCodebook(file, layer);
  const packed = (await file.read(codesName(name))).data;
  return located(file, name, () => {
    const codes = unpackCodes(packed, codeWidth(k), (rows * columns) / d);
    return new VqWeight({ name, rows, columns, groups, k, d, codebook, codes });
  });
}

/**
 * Reads one layer whose tensors have been checked, and leaves its codes packed. They are checked
 * all the same: a kernel trusts that every code has a codeword.
 *
 * @throws FileFormatError, NonFiniteError as {@link readLayer}
 */
export async function readPackedLayer(
  file: ModelTensors,
  layer: QuantizedLayerInfo,
): Promise<PackedWeightParts> {
  const { name, rows, columns, groups, k, d } = layer;
  const codebook = await readCodebook(file, layer);
  const codes = (await file.read(codesName(name))).data;
  const count = (rows * columns) / d;
  // Where every pattern of bits is a code and fills its bytes, nothing can be wrong.
  if (k !== 2 ** codeWidth(k) || (count * codeWidth(k)) % 8 !== 0) {
    located(file, name, () => {
      const unpacked = unpackCodes(codes, codeWidth(k), count);
      return new VqWeight({ name, rows, columns, groups, k, d, codebook, codes: unpacked });
    });
  }
  return { name, rows, columns, groups, k, d, codes, codebook };
}

async function readCodebook(
  file: ModelTensors,
  { name }: QuantizedLayerInfo,
): Promise<Float32Array> {
  const codebook = await file.readFloat32(codebookName(name));
  const bad = codebook.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new NonFiniteError(
      `${file.name}: tensor ${quote(codebookName(name))} holds ${codebook[bad]} at element ${bad}; codebooks must be finite.`,
    );
  }
  return codebook;
}

/** Runs a check of a layer's codes; what it finds is told with the file and the tensor. */
function located<T>(file: ModelTensors, layer: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof VqError)) throw error;
    throw new FileFormatError(`${file.name}: tensor ${quote(codesName(layer))}: ${error.message}`, {
      cause: error,
    });
  }
}
