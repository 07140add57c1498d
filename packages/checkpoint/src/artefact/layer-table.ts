import { codeWidth, FileFormatError } from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import { isJsonObject, type JsonObject } from '../model/json-file.ts';
import {
  type CodebookDType,
  MAX_CODEWORDS,
  MAX_SUBVECTOR,
  PACKING,
  type QuantizedLayerInfo,
} from './format.ts';

const FIELDS = ['shape', 'groups', 'k', 'd', 'bits', 'packing', 'codebook_dtype'];

/** The metadata string `layers`: what is needed to read each quantized layer, as JSON. */
export function encodeLayerTable(layers: readonly QuantizedLayerInfo[]): string {
  const table = layers.map(({ name, rows, columns, groups, k, d, codebookDType }) => [
    name,
    {
      shape: [rows, columns],
      groups,
      k,
      d,
      bits: codeWidth(k),
      packing: PACKING,
      codebook_dtype: codebookDType,
    },
  ]);
  return JSON.stringify(Object.fromEntries(table));
}

/**
 * Reads the metadata string `layers` and checks every number in it on its own; how they fit the
 * tensors is checked with the tensors.
 *
 * @throws FileFormatError that names the layer
 */
export function parseLayerTable(text: string | undefined, file: string): QuantizedLayerInfo[] {
  if (text === undefined) throw new FileFormatError(`${file}: the metadata has no layers.`);
  let table: unknown;
  try {
    table = JSON.parse(text);
  } catch {
    throw new FileFormatError(`${file}: the metadata string layers is not JSON.`);
  }
  if (!isJsonObject(table)) {
    throw new FileFormatError(`${file}: the metadata string layers is not a JSON object.`);
  }
  return Object.entries(table).map(([name, value]) => parseLayer(name, value, file));
}

function parseLayer(name: string, value: unknown, file: string): QuantizedLayerInfo {
  const fail = (problem: string): never => {
    throw new FileFormatError(`${file}: layer ${quote(name)} ${problem}.`);
  };
  if (!isJsonObject(value)) return fail('is not described by a JSON object');
  const unknown = Object.keys(value).find((key) => !FIELDS.includes(key));
  if (unknown !== undefined) return fail(`has the unknown field ${quote(unknown)}`);
  const [rows, columns] = shapeOf(value, fail);
  const groups = count(value, 'groups', rows, fail);
  const k = count(value, 'k', MAX_CODEWORDS, fail);
  const d = count(value, 'd', MAX_SUBVECTOR, fail);
  if (columns % d !== 0) return fail(`has sub-vectors of ${d} weights in rows of ${columns}`);
  if (rows % groups !== 0) return fail(`has ${groups} codebooks for ${rows} rows`);
  if (value.bits !== codeWidth(k)) {
    return fail(`has codes of ${text(value.bits)} bits, but ${k} codewords take ${codeWidth(k)}`);
  }
  if (value.packing !== PACKING) {
    return fail(`is packed as ${text(value.packing)}, but only ${quote(PACKING)} is known`);
  }
  const codebookDType = value.codebook_dtype;
  if (!isCodebookDType(codebookDType)) {
    return fail(`has a codebook of ${text(codebookDType)}, not F16 or F32`);
  }
  return { name, rows, columns, groups, k, d, codebookDType };
}

function shapeOf({ shape }: JsonObject, fail: (problem: string) => never): [number, number] {
  const legal = Array.isArray(shape) && shape.length === 2 && shape.every(isCount);
  if (!legal || !Number.isSafeInteger(shape[0] * shape[1])) {
    return fail('needs a shape of rows and columns');
  }
  return [shape[0], shape[1]];
}

function count(
  layer: JsonObject,
  key: string,
  most: number,
  fail: (problem: string) => never,
): number {
  const value = layer[key];
  if (!isCount(value) || value > most) {
    return fail(`has ${key} ${text(value)}, which is not an integer from 1 to ${most}`);
  }
  return value;
}

/** A positive integer that is exact in a JavaScript number. */
export function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 1;
}

export function isCodebookDType(value: unknown): value is CodebookDType {
  return value === 'F16' || value === 'F32';
}

function text(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 40);
}
