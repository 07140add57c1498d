import { ModelError } from '@vq4dit/core';
import { inferDiTConfig, sourceShapes } from '@vq4dit/dit';
import { looksLikeArtefact, openArtefact } from '../artefact/read.ts';
import { quote } from '../io/describe.ts';
import { openTensorFile } from '../tensor/open.ts';
import type { TensorFile } from '../tensor/tensor-file.ts';
import { hasDiffusersNames } from './diffusers-names.ts';
import { sha256OfFiles } from './digest.ts';
import { facebookView } from './facebook-view.ts';
import { joinTensors } from './joined-tensors.ts';
import { readJsonObject } from './json-file.ts';
import {
  type ConfigSource,
  type KnownConfig,
  mergeKnownConfigs,
  parseKnownConfig,
  trainingArguments,
} from './known-config.ts';
import { locateModel } from './locate.ts';
import type { ModelFile, ModelTensors } from './model-file.ts';

/** Options of {@link openModel}. */
export interface OpenModelOptions {
  /**
   * A JSON file with the model's arguments. Where it is given, only it and the shapes of the
   * tensors say what the model is; the checkpoint's own arguments and `config.json` do not.
   */
  readonly configPath?: string;
}

/**
 * Opens a model for reading, whatever it is stored as: a PyTorch checkpoint (a state dict, or a
 * training checkpoint with its arguments), a safetensors file, a folder with one of them and a
 * `config.json`, a sharded safetensors model, each with the original key names or those of
 * diffusers; or a quantized artefact.
 *
 * What the shapes of the tensors do not tell comes from the first of these that is there: the
 * file `configPath`; the arguments in the checkpoint and the `config.json` of its folder, which
 * must not contradict each other; the preset of the same width and depth. Nothing may contradict
 * the shapes.
 *
 * @throws InputError where something cannot be read
 * @throws FileFormatError where a file is malformed, or an artefact is of a newer format
 * @throws ModelError where it is no DiT, or where the number of heads is not known
 */
export async function openModel(path: string, options: OpenModelOptions = {}): Promise<ModelFile> {
  const location = await locateModel(path);
  const explicit = options.configPath && (await configSource(options.configPath));
  const beside = location.config && (await configSource(location.config));
  const files: TensorFile[] = [];
  try {
    for (const file of location.files) files.push(await openTensorFile(file));
    return assembleModel({
      path,
      files,
      explicit: explicit || undefined,
      beside: beside || undefined,
    });
  } catch (error) {
    for (const file of files) await file.close();
    throw error;
  }
}

async function configSource(path: string): Promise<ConfigSource> {
  return { where: path, json: await readJsonObject(path) };
}

/** Everything that a model is made of, opened. */
export interface ModelParts {
  readonly path: string;
  readonly files: readonly TensorFile[];
  /** The config that the user gave. */
  readonly explicit?: ConfigSource | undefined;
  /** The `config.json` that belongs to the files. */
  readonly beside?: ConfigSource | undefined;
}

/** Makes a model of opened files. Closes nothing where it fails. */
export function assembleModel(parts: ModelParts): ModelFile {
  const { path, files, explicit, beside } = parts;
  const name = files.length === 1 ? files[0]!.name : path;
  const stored = joinTensors(name, files);
  const artefact = looksLikeArtefact(files, beside)
    ? openArtefact(stored, files, beside)
    : undefined;
  const named = artefact?.tensors ?? stored;
  const view = hasDiffusersNames(named.names()) ? facebookView(named) : undefined;
  const tensors: ModelTensors = view?.tensors ?? named;
  const known = knownConfig(files, explicit, beside);
  const { config, extra } = inferDiTConfig(sourceShapes(tensors), known.config, name);
  checkClassNames(known, config.numClasses, explicit ?? beside);
  let digest: Promise<string> | undefined;
  const filePaths = files.map((file) => file.name);
  return {
    ...tensors,
    path,
    kind: artefact ? 'artefact' : 'checkpoint',
    keyNames: view ? 'diffusers' : 'facebook',
    config,
    classNames: known.classNames,
    files: filePaths,
    extra: [...(view?.extra ?? []), ...extra],
    artefact: artefact?.info,
    quantizedLayers: () => artefact?.layers ?? [],
    async readQuantized(layer) {
      if (!artefact) {
        throw new ModelError(`${name}: layer ${quote(layer)} is not quantized.`);
      }
      return artefact.readQuantized(layer);
    },
    readPacked: async (tensor) => artefact?.readPacked(tensor),
    sha256() {
      digest ??= sha256OfFiles(filePaths);
      return digest;
    },
  };
}

function knownConfig(
  files: readonly TensorFile[],
  explicit: ConfigSource | undefined,
  beside: ConfigSource | undefined,
): KnownConfig {
  if (explicit) return parseKnownConfig(explicit);
  const sources = [...files.map(trainingArguments), beside];
  return mergeKnownConfigs(sources.filter((source) => source !== undefined));
}

function checkClassNames(
  { classNames }: KnownConfig,
  numClasses: number,
  source: ConfigSource | undefined,
): void {
  if (classNames && classNames.length !== numClasses) {
    throw new ModelError(
      `${source?.where ?? 'config'}: ${classNames.length} class_names for a model of ${numClasses} classes.`,
    );
  }
}
