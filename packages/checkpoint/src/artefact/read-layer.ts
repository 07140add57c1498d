import {
  codeWidth,
  FileFormatError,
  NonFiniteError,
  type PackedWeightParts,
  packedByteLength,
  UniformWeight,
  unpackCodes,
  VqError,
  VqWeight,
} from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import type { ModelTensors } from '../model/model-file.ts';
import type { TensorEntry } from '../tensor/tensor-file.ts';
import {
  type CodebookLayerInfo,
  codebookName,
  codesName,
  isUniform,
  type QuantizedLayerInfo,
  scalesName,
  type UniformLayerInfo,
  weightName,
  zerosName,
} from './format.ts';

/** The shape under which a layer's packed codes are stored: readable as a matrix where they are bytes. */
export function codesShape(layer: Omit<CodebookLayerInfo, 'codebookDType'>): number[] {
  const { rows, columns, d, k } = layer;
  const width = codeWidth(k);
  if (width === 8) return [rows, columns / d];
  return [packedByteLength((rows * columns) / d, width)];
}

/** The same for a layer on uniform grids. */
export function uniformCodesShape({ rows, columns, bits }: UniformLayerInfo): number[] {
  return bits === 8 ? [rows, columns] : [packedByteLength(rows * columns, bits)];
}

/** Grids of a layer: one scale and one zero point each. */
function gridShape({ scaleRows, columns, groupSize }: UniformLayerInfo): [number, number] {
  return [scaleRows, Math.ceil(columns / groupSize)];
}

/**
 * Checks that a layer's tensors are there in exactly the form that the table of layers gives them.
 *
 * @throws FileFormatError that names the tensor
 */
export function checkLayerTensors(file: ModelTensors, layer: QuantizedLayerInfo): void {
  const { name } = layer;
  if (isUniform(layer)) {
    const [rows, groups] = gridShape(layer);
    checkTensor(file, codesName(name), 'U8', uniformCodesShape(layer));
    checkTensor(file, scalesName(name), layer.scaleDType, [rows, groups]);
    checkTensor(file, zerosName(name), 'U8', [packedByteLength(rows * groups, layer.bits)]);
  } else {
    const { groups, k, d, codebookDType } = layer;
    checkTensor(file, codesName(name), 'U8', codesShape(layer));
    checkTensor(file, codebookName(name), codebookDType, [groups, k, d]);
  }
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
export async function readLayer(
  file: ModelTensors,
  layer: QuantizedLayerInfo,
): Promise<VqWeight | UniformWeight> {
  return isUniform(layer) ? readUniformLayer(file, layer) : readVqLayer(file, layer);
}

async function readUniformLayer(
  file: ModelTensors,
  layer: UniformLayerInfo,
): Promise<UniformWeight> {
  const { name, rows, columns, bits } = layer;
  const [gridRows, groups] = gridShape(layer);
  const scales = await file.readFloat32(scalesName(name));
  const bad = scales.findIndex((scale) => !(scale > 0 && Number.isFinite(scale)));
  if (bad >= 0) {
    throw new NonFiniteError(
      `${file.name}: tensor ${quote(scalesName(name))} holds ${scales[bad]} at element ${bad}; scales must be positive and finite.`,
    );
  }
  const packedZeros = (await file.read(zerosName(name))).data;
  const packed = (await file.read(codesName(name))).data;
  const zeros = located(file, zerosName(name), () =>
    Uint8Array.from(unpackCodes(packedZeros, bits, gridRows * groups)),
  );
  const codes = located(file, codesName(name), () =>
    Uint8Array.from(unpackCodes(packed, bits, rows * columns)),
  );
  return new UniformWeight({ ...layer, scales, zeros, codes });
}

async function readVqLayer(file: ModelTensors, layer: CodebookLayerInfo): Promise<VqWeight> {
  const { name, rows, columns, groups, k, d } = layer;
  const codebook = await readCodebook(file, layer);
  const packed = (await file.read(codesName(name))).data;
  return located(file, codesName(name), () => {
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
  layer: CodebookLayerInfo,
): Promise<PackedWeightParts> {
  const { name, rows, columns, groups, k, d } = layer;
  const codebook = await readCodebook(file, layer);
  const codes = (await file.read(codesName(name))).data;
  const count = (rows * columns) / d;
  // Where every pattern of bits is a code and fills its bytes, nothing can be wrong.
  if (k !== 2 ** codeWidth(k) || (count * codeWidth(k)) % 8 !== 0) {
    located(file, codesName(name), () => {
      const unpacked = unpackCodes(codes, codeWidth(k), count);
      return new VqWeight({ name, rows, columns, groups, k, d, codebook, codes: unpacked });
    });
  }
  return { name, rows, columns, groups, k, d, codes, codebook };
}

async function readCodebook(
  file: ModelTensors,
  { name }: CodebookLayerInfo,
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

/** Runs a check of packed codes; what it finds is told with the file and the tensor. */
function located<T>(file: ModelTensors, tensor: string, check: () => T): T {
  try {
    return check();
  } catch (error) {
    if (!(error instanceof VqError)) throw error;
    throw new FileFormatError(`${file.name}: tensor ${quote(tensor)}: ${error.message}`, {
      cause: error,
    });
  }
}
