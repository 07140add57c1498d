import { codeWidth, FileFormatError, UNIFORM_BITS } from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import { isJsonObject, type JsonObject } from '../model/json-file.ts';
import {
  type CodebookDType,
  isUniform,
  MAX_CODEWORDS,
  MAX_SUBVECTOR,
  PACKING,
  type QuantizedLayerInfo,
  SCHEME_VERSION,
  type UniformLayerInfo,
} from './format.ts';

const FIELDS = ['shape', 'groups', 'k', 'd', 'bits', 'packing', 'codebook_dtype'];
const UNIFORM_FIELDS = ['shape', 'bits', 'scale_rows', 'group_size', 'packing', 'scale_dtype'];

/** The metadata string `layers`: what is needed to read each quantized layer, as JSON. */
export function encodeLayerTable(layers: readonly QuantizedLayerInfo[]): string {
  return JSON.stringify(Object.fromEntries(layers.map((layer) => [layer.name, fieldsOf(layer)])));
}

function fieldsOf(layer: QuantizedLayerInfo): Record<string, unknown> {
  const shape = [layer.rows, layer.columns];
  if (isUniform(layer)) {
    const { bits, scaleRows, groupSize, scaleDType } = layer;
    return {
      ...{ shape, bits, scale_rows: scaleRows, group_size: groupSize },
      ...{ packing: PACKING, scale_dtype: scaleDType },
    };
  }
  const { groups, k, d, codebookDType } = layer;
  return {
    ...{ shape, groups, k, d, bits: codeWidth(k) },
    ...{ packing: PACKING, codebook_dtype: codebookDType },
  };
}

/**
 * Reads the metadata string `layers` and checks every number in it on its own; how they fit the
 * tensors is checked with the tensors.
 *
 * @throws FileFormatError that names the layer
 */
export function parseLayerTable(
  text: string | undefined,
  file: string,
  version: number,
): QuantizedLayerInfo[] {
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
  return Object.entries(table).map(([name, value]) =>
    parseLayer(name, value, file, version === SCHEME_VERSION.uniform),
  );
}

function parseLayer(
  name: string,
  value: unknown,
  file: string,
  uniform: boolean,
): QuantizedLayerInfo {
  const fail = (problem: string): never => {
    throw new FileFormatError(`${file}: layer ${quote(name)} ${problem}.`);
  };
  if (!isJsonObject(value)) return fail('is not described by a JSON object');
  const unknown = Object.keys(value).find(
    (key) => !(uniform ? UNIFORM_FIELDS : FIELDS).includes(key),
  );
  if (unknown !== undefined) return fail(`has the unknown field ${quote(unknown)}`);
  const [rows, columns] = shapeOf(value, fail);
  if (value.packing !== PACKING) {
    return fail(`is packed as ${text(value.packing)}, but only ${quote(PACKING)} is known`);
  }
  if (uniform) return { name, rows, columns, ...uniformFields(value, rows, columns, fail) };
  const groups = count(value, 'groups', rows, fail);
  const k = count(value, 'k', MAX_CODEWORDS, fail);
  const d = count(value, 'd', MAX_SUBVECTOR, fail);
  if (columns % d !== 0) return fail(`has sub-vectors of ${d} weights in rows of ${columns}`);
  if (rows % groups !== 0) return fail(`has ${groups} codebooks for ${rows} rows`);
  if (value.bits !== codeWidth(k)) {
    return fail(`has codes of ${text(value.bits)} bits, but ${k} codewords take ${codeWidth(k)}`);
  }
  const codebookDType = value.codebook_dtype;
  if (!isCodebookDType(codebookDType)) {
    return fail(`has a codebook of ${text(codebookDType)}, not F16 or F32`);
  }
  return { name, rows, columns, groups, k, d, codebookDType };
}

function uniformFields(
  value: JsonObject,
  rows: number,
  columns: number,
  fail: (problem: string) => never,
): Omit<UniformLayerInfo, 'name' | 'rows' | 'columns'> {
  const bits = count(value, 'bits', UNIFORM_BITS.most, fail);
  if (bits < UNIFORM_BITS.least) return fail(`has codes of ${bits} bits`);
  const scaleRows = count(value, 'scale_rows', rows, fail);
  const groupSize = count(value, 'group_size', columns, fail);
  if (rows % scaleRows !== 0) return fail(`has ${scaleRows} rows of scales for ${rows} rows`);
  const scaleDType = value.scale_dtype;
  if (!isCodebookDType(scaleDType)) {
    return fail(`has scales of ${text(scaleDType)}, not F16 or F32`);
  }
  return { bits, scaleRows, groupSize, scaleDType };
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
