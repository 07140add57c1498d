import {
  codeWidth,
  FileFormatError,
  NonFiniteError,
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
  const codebook = await file.readFloat32(codebookName(name));
  const bad = codebook.findIndex((value) => !Number.isFinite(value));
  if (bad >= 0) {
    throw new NonFiniteError(
      `${file.name}: tensor ${quote(codebookName(name))} holds ${codebook[bad]} at element ${bad}; codebooks must be finite.`,
    );
  }
  const packed = (await file.read(codesName(name))).data;
  try {
    const codes = unpackCodes(packed, codeWidth(k), (rows * columns) / d);
    return new VqWeight({ name, rows, columns, groups, k, d, codebook, codes });
  } catch (error) {
    if (!(error instanceof VqError)) throw error;
    throw new FileFormatError(`${file.name}: tensor ${quote(codesName(name))}: ${error.message}`, {
      cause: error,
    });
  }
}
