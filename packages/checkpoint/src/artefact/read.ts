import {
  FileFormatError,
  ModelError,
  type PackedWeightParts,
  type UniformWeight,
  type VqWeight,
} from '@vq4dit/core';
import { quote } from '../io/describe.ts';
import type { ConfigSource } from '../model/known-config.ts';
import type { ModelTensors } from '../model/model-file.ts';
import { littleEndianBytes } from '../tensor/decode.ts';
import type { TensorEntry, TensorFile } from '../tensor/tensor-file.ts';
import {
  type ArtefactInfo,
  CONFIG_FILE,
  codebookName,
  codesName,
  isUniform,
  QUANT_METHOD,
  type QuantizedLayerInfo,
  scalesName,
  weightName,
  zerosName,
} from './format.ts';
import { isCount, parseLayerTable } from './layer-table.ts';
import { checkFormat, parseQuantizationConfig } from './quantization-config.ts';
import { checkLayerTensors, readLayer, readPackedLayer } from './read-layer.ts';

/** An open artefact. */
export interface Artefact {
  /** Its tensors under their original names; quantized ones are decoded when they are read. */
  readonly tensors: ModelTensors;
  readonly layers: readonly QuantizedLayerInfo[];
  readonly info: ArtefactInfo;
  readQuantized(layer: string): Promise<VqWeight | UniformWeight>;
  readPacked(tensor: string): Promise<PackedWeightParts | undefined>;
}

/** Whether these files are a quantized model, by any method. */
export function looksLikeArtefact(
  files: readonly TensorFile[],
  config: ConfigSource | undefined,
): boolean {
  const quantized = config?.json.quantization_config;
  return files[0]?.metadata.format === QUANT_METHOD || (quantized ?? undefined) !== undefined;
}

/**
 * Checks a quantized model from its metadata and the shapes of its tensors. Codes and codebooks are
 * checked when they are read.
 *
 * @throws FileFormatError where anything is missing, contradicts something else, or is of a newer
 *   format or of another method
 */
export function openArtefact(
  stored: ModelTensors,
  files: readonly TensorFile[],
  config: ConfigSource | undefined,
): Artefact {
  const file = stored.name;
  if (!config) {
    throw new FileFormatError(
      `${file}: this is the tensor file of a quantized model; its ${CONFIG_FILE} must lie in the same folder.`,
    );
  }
  const json = config.json.quantization_config;
  // Asked of both files before anything else: a newer format may differ in everything.
  const declared = parseQuantizationConfigHead(json, config.where);
  const metadata = files[0]!.metadata;
  if (files.length !== 1 || metadata.format !== QUANT_METHOD) {
    throw new FileFormatError(
      `${file}: ${config.where} says that the model is quantized, but the tensor file is not that of a quantized model.`,
    );
  }
  const version = Number(metadata.format_version);
  checkFormat(metadata.format, version, `${file}: metadata`);
  if (declared.version !== version) {
    throw new FileFormatError(
      `${file}: the metadata say format version ${version}, but ${config.where} says ${declared.version}.`,
    );
  }
  const layers = parseLayerTable(metadata.layers, file, version);
  for (const layer of layers) checkLayerTensors(stored, layer);
  checkNoStrays(stored, layers);
  const info = {
    ...parseQuantizationConfig(declared.json, layers, config.where),
    ...parseMetadata(metadata, file),
    metadata,
  };
  const byName = new Map(layers.map((layer) => [layer.name, layer]));
  return {
    tensors: decodedView(stored, layers),
    layers,
    info,
    async readQuantized(name) {
      const layer = byName.get(name);
      if (!layer) throw new ModelError(`${file}: layer ${quote(name)} is not quantized.`);
      return readLayer(stored, layer);
    },
    async readPacked(tensor) {
      const layer = layers.find(({ name }) => weightName(name) === tensor);
      // No kernel takes uniform grids: such a layer is decoded when it is loaded.
      return layer && !isUniform(layer) ? readPackedLayer(stored, layer) : undefined;
    },
  };
}

function parseQuantizationConfigHead(
  json: unknown,
  where: string,
): { readonly json: object; readonly version: number } {
  if (typeof json !== 'object' || json === null) {
    throw new FileFormatError(
      `${where}: there is no quantization_config, but the tensor file beside it is that of a quantized model.`,
    );
  }
  const { quant_method, format_version } = json as Record<string, unknown>;
  checkFormat(quant_method, format_version, `${where}: quantization_config`);
  return { json, version: format_version as number };
}

/** The names of what a layer is stored as. */
function storedNames(layer: QuantizedLayerInfo): string[] {
  const { name } = layer;
  return isUniform(layer)
    ? [codesName(name), scalesName(name), zerosName(name)]
    : [codesName(name), codebookName(name)];
}

/** Codes and codebooks belong to a layer of the table, or somebody has edited the file. */
function checkNoStrays(stored: ModelTensors, layers: readonly QuantizedLayerInfo[]): void {
  const known = new Set(layers.flatMap(storedNames));
  for (const name of stored.names()) {
    if (/\.weight_(codes|codebook|scales|zeros)$/.test(name) && !known.has(name)) {
      throw new FileFormatError(
        `${stored.name}: tensor ${quote(name)} belongs to no layer of the metadata.`,
      );
    }
  }
}

function parseMetadata(metadata: Readonly<Record<string, string>>, file: string) {
  const get = (key: string): string => {
    const value = metadata[key];
    if (value === undefined) throw new FileFormatError(`${file}: the metadata has no ${key}.`);
    return value;
  };
  const totalParameters = Number(get('total_parameters'));
  const trueBitsPerWeight = Number(get('true_bits_per_weight'));
  if (!isCount(totalParameters) || !(trueBitsPerWeight >= 0)) {
    throw new FileFormatError(
      `${file}: the metadata strings total_parameters and true_bits_per_weight must be numbers.`,
    );
  }
  const sourceSha256 = get('source_sha256');
  if (!/^[0-9a-f]{64}$/.test(sourceSha256)) {
    throw new FileFormatError(`${file}: the metadata string source_sha256 is no SHA-256 in hex.`);
  }
  return {
    producer: get('producer'),
    seed: get('seed'),
    sourceSha256,
    totalParameters,
    trueBitsPerWeight,
  };
}

function decodedView(stored: ModelTensors, layers: readonly QuantizedLayerInfo[]): ModelTensors {
  const quantized = new Map(layers.map((layer) => [weightName(layer.name), layer]));
  const hidden = new Set(layers.flatMap(storedNames));
  const view: ModelTensors = {
    name: stored.name,
    names: () => [...stored.names().filter((name) => !hidden.has(name)), ...quantized.keys()],
    has: (name) => quantized.has(name) || (stored.has(name) && !hidden.has(name)),
    entry(name): TensorEntry {
      const layer = quantized.get(name);
      if (layer) {
        const { rows, columns } = layer;
        return { name, dtype: 'F32', shape: [rows, columns], byteLength: 4 * rows * columns };
      }
      if (hidden.has(name)) throw new ModelError(`${stored.name}: no tensor ${quote(name)}.`);
      return stored.entry(name);
    },
    async read(name) {
      if (!quantized.has(name)) return stored.read(view.entry(name).name);
      const { dtype, shape } = view.entry(name);
      return { dtype, shape, data: littleEndianBytes(await view.readFloat32(name)) };
    },
    async readFloat32(name) {
      const layer = quantized.get(name);
      if (!layer) return stored.readFloat32(view.entry(name).name);
      return (await readLayer(stored, layer)).reconstruct();
    },
    close: () => stored.close(),
  };
  return view;
}
