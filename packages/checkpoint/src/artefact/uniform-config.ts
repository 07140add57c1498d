import { GRANULARITIES, UNIFORM_BITS } from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import { isJsonObject, type JsonObject } from '../model/json-file.ts';
import {
  isUniform,
  QUANT_METHOD,
  type QuantizedLayerInfo,
  type UniformLayerInfo,
  type UniformScheme,
} from './format.ts';
import { isCount } from './layer-table.ts';

/** The `quantization_config` of a model on uniform grids; only differing group sizes are listed. */
export function uniformConfigToJson(
  config: {
    readonly formatVersion: number;
    readonly method: string;
    readonly bits: number;
    readonly modulesNotConverted: readonly string[];
  },
  scheme: UniformScheme,
  layers: readonly QuantizedLayerInfo[],
): Record<string, unknown> {
  const differing = layers.filter(isUniform).flatMap((layer) => {
    const own = {
      ...(layer.groupSize !== groupSizeOf(scheme, layer) && { group_size: layer.groupSize }),
      ...(layer.scaleDType !== 'F16' && { scale_dtype: layer.scaleDType }),
    };
    return Object.keys(own).length > 0 ? [[layer.name, own] as const] : [];
  });
  return {
    quant_method: QUANT_METHOD,
    format_version: config.formatVersion,
    method: config.method,
    quantizer: 'uniform',
    bits: config.bits,
    granularity: scheme.granularity,
    ...(scheme.groupSize !== undefined && { group_size: scheme.groupSize }),
    scale_dtype: 'F16',
    modules_to_not_convert: [...config.modulesNotConverted],
    ...(differing.length > 0 && { config_for_layers: Object.fromEntries(differing) }),
  };
}

/** What the config says about all layers; `fail` throws a FileFormatError. */
export function parseUniformScheme(
  json: JsonObject,
  bits: number,
  fail: (problem: string) => never,
): UniformScheme {
  const { quantizer, granularity, group_size: groupSize, scale_dtype: dtype } = json;
  if (quantizer !== 'uniform') return fail('quantizer must be "uniform"');
  const { least, most } = UNIFORM_BITS;
  if (!isCount(bits) || bits < least || bits > most) {
    return fail(`bits must be an integer from ${least} to ${most}`);
  }
  const known = GRANULARITIES.find((name) => name === granularity);
  if (!known) return fail(`granularity must be one of ${GRANULARITIES.join(', ')}`);
  if (dtype !== 'F16') return fail('scale_dtype must be F16; layers that differ say so');
  if (known !== 'group') {
    return groupSize === undefined ? { granularity: known } : fail('only groups have a group_size');
  }
  return isCount(groupSize)
    ? { granularity: known, groupSize }
    : fail('group_size must be a positive integer');
}

/** Holds the config against the layers; `fail` throws a FileFormatError. */
export function checkUniformLayers(
  json: JsonObject,
  scheme: UniformScheme,
  bits: number,
  layers: readonly QuantizedLayerInfo[],
  fail: (problem: string) => never,
): void {
  const differing = json.config_for_layers ?? {};
  if (!isJsonObject(differing)) fail('config_for_layers must be an object');
  const own = new Map(Object.entries(differing));
  for (const layer of layers) {
    if (!isUniform(layer)) fail(`layer ${quote(layer.name)} has codebooks`);
    const said: unknown = own.get(layer.name) ?? {};
    if (!isJsonObject(said)) fail(`config_for_layers: ${quote(layer.name)} is no object`);
    own.delete(layer.name);
    const { group_size = groupSizeOf(scheme, layer), scale_dtype = 'F16' } = said;
    const perRow = scheme.granularity === 'tensor' || layer.scaleRows === layer.rows;
    const agrees = group_size === layer.groupSize && scale_dtype === layer.scaleDType;
    if (layer.bits !== bits || !perRow || !agrees) {
      fail(
        `layer ${quote(layer.name)} has ${layer.bits} bits in groups of ${layer.groupSize} with ${layer.scaleRows} rows of ${layer.scaleDType} scales, which is something else than the config says`,
      );
    }
  }
  const [unknown] = own.keys();
  if (unknown !== undefined) {
    fail(`config_for_layers: there is no quantized layer ${quote(unknown)}`);
  }
}

/** The group size that a scheme gives a layer of these columns. */
function groupSizeOf({ groupSize }: UniformScheme, { columns }: UniformLayerInfo): number {
  return Math.min(groupSize ?? columns, columns);
}
