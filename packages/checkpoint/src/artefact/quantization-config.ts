import { FileFormatError } from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import { isJsonObject, type JsonObject } from '../model/json-file.ts';
import {
  type CodebookDType,
  FORMAT_VERSION,
  isUniform,
  QUANT_METHOD,
  type QuantizedLayerInfo,
  SCHEME_VERSION,
  type UniformScheme,
} from './format.ts';
import { isCodebookDType, isCount } from './layer-table.ts';
import { checkUniformLayers, parseUniformScheme, uniformConfigToJson } from './uniform-config.ts';

/** The `quantization_config` of `config.json`: what was asked for, for people and other tools. */
export interface QuantizationConfig {
  readonly formatVersion: number;
  readonly method: string;
  readonly bits: number;
  readonly codewords: number;
  readonly subvector: number;
  readonly codebookDType: CodebookDType;
  readonly candidates: number;
  readonly uniform?: UniformScheme;
  readonly modulesNotConverted: readonly string[];
}

export function quantizationConfigToJson(
  config: QuantizationConfig,
  layers: readonly QuantizedLayerInfo[],
): Record<string, unknown> {
  if (config.uniform) return uniformConfigToJson(config, config.uniform, layers);
  const differing = layers.flatMap((layer) => {
    if (isUniform(layer)) return [];
    const own = {
      ...(layer.k !== config.codewords && { codewords: layer.k }),
      ...(layer.d !== config.subvector && { subvector: layer.d }),
      ...(layer.codebookDType !== config.codebookDType && {
        codebook_dtype: layer.codebookDType,
      }),
    };
    return Object.keys(own).length > 0 ? [[layer.name, own] as const] : [];
  });
  return {
    quant_method: QUANT_METHOD,
    format_version: config.formatVersion,
    method: config.method,
    bits: config.bits,
    codewords: config.codewords,
    subvector: config.subvector,
    codebook_dtype: config.codebookDType,
    candidates: config.candidates,
    modules_to_not_convert: [...config.modulesNotConverted],
    ...(differing.length > 0 && { config_for_layers: Object.fromEntries(differing) }),
  };
}

/**
 * Refuses what this reader does not know: another method's model, or a newer format.
 *
 * @throws FileFormatError
 */
export function checkFormat(method: unknown, version: unknown, where: string): void {
  if (method !== QUANT_METHOD) {
    throw new FileFormatError(
      `${where}: the model is quantized as ${describe(method)}, not ${quote(QUANT_METHOD)}; use the program that wrote it to decode it first.`,
    );
  }
  if (isCount(version) && version > FORMAT_VERSION) {
    throw new FileFormatError(
      `${where}: format version ${version} is newer than ${FORMAT_VERSION}, the newest that this version of vq4dit reads; update vq4dit.`,
    );
  }
  if (!isCount(version)) {
    throw new FileFormatError(
      `${where}: there is no format version ${describe(version)}; the newest is ${FORMAT_VERSION}.`,
    );
  }
}

/**
 * Reads `quantization_config` and holds it against the layers.
 *
 * @throws FileFormatError where it is not as it should be, or says something else than the layers
 */
export function parseQuantizationConfig(
  json: unknown,
  layers: readonly QuantizedLayerInfo[],
  file: string,
): QuantizationConfig {
  const where = `${file}: quantization_config`;
  const fail = (problem: string): never => {
    throw new FileFormatError(`${where}: ${problem}.`);
  };
  if (!isJsonObject(json)) return fail('expected an object');
  checkFormat(json.quant_method, json.format_version, where);
  const uniform = json.format_version === SCHEME_VERSION.uniform;
  const count = (key: string): number => {
    const value = json[key];
    return isCount(value) ? value : fail(`${key} must be a positive integer`);
  };
  const { method, bits, codebook_dtype, modules_to_not_convert: kept } = json;
  if (typeof method !== 'string') return fail('method must be a string');
  if (typeof bits !== 'number' || !(bits >= 0)) return fail('bits must be a number');
  if (!uniform && !isCodebookDType(codebook_dtype))
    return fail('codebook_dtype must be F16 or F32');
  if (!Array.isArray(kept) || !kept.every((name) => typeof name === 'string')) {
    return fail('modules_to_not_convert must be a list of names');
  }
  if (uniform) {
    const scheme = parseUniformScheme(json, bits, fail);
    checkUniformLayers(json, scheme, bits, layers, fail);
    return {
      formatVersion: SCHEME_VERSION.uniform,
      method,
      bits,
      ...{ codewords: 2 ** bits, subvector: 1, codebookDType: 'F16', candidates: 1 },
      uniform: scheme,
      modulesNotConverted: kept,
    };
  }
  const config: QuantizationConfig = {
    formatVersion: SCHEME_VERSION.codebook,
    method,
    bits,
    codewords: count('codewords'),
    subvector: count('subvector'),
    codebookDType: codebook_dtype as CodebookDType,
    candidates: count('candidates'),
    modulesNotConverted: kept,
  };
  checkLayers(config, json.config_for_layers ?? {}, layers, fail);
  return config;
}

function checkLayers(
  config: QuantizationConfig,
  differing: unknown,
  layers: readonly QuantizedLayerInfo[],
  fail: (problem: string) => never,
): void {
  if (!isJsonObject(differing)) fail('config_for_layers must be an object');
  const own = new Map(Object.entries(differing));
  for (const info of layers) {
    if (isUniform(info)) fail(`layer ${quote(info.name)} lies on uniform grids`);
    const { name, k, d, codebookDType } = info;
    const layer: unknown = own.get(name) ?? {};
    if (!isJsonObject(layer)) fail(`config_for_layers: ${quote(name)} must be an object`);
    const said: JsonObject = {
      codewords: config.codewords,
      subvector: config.subvector,
      codebook_dtype: config.codebookDType,
      ...layer,
    };
    if (said.codewords !== k || said.subvector !== d || said.codebook_dtype !== codebookDType) {
      fail(
        `layer ${quote(name)} is said to have ${describe(said.codewords)} codewords of ${describe(said.subvector)} weights in ${describe(said.codebook_dtype)}, but its tensors have ${k} of ${d} in ${codebookDType}`,
      );
    }
    own.delete(name);
  }
  const [unknown] = own.keys();
  if (unknown !== undefined) {
    fail(`config_for_layers: there is no quantized layer ${quote(unknown)}`);
  }
}

function describe(value: unknown): string {
  return (JSON.stringify(value) ?? 'nothing').slice(0, 60);
}
