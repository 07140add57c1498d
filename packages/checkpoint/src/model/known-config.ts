import { ModelError } from '@vq4dit/core';
import { type DiTConfig, parsePartialDiTConfig } from '@vq4dit/dit';
import type { TensorFile } from '../tensor/tensor-file.ts';
import type { TorchCheckpoint } from '../torch/open.ts';
import { isDiffusersConfig, parseDiffusersConfig } from './diffusers-config.ts';
import { isJsonObject, type JsonObject } from './json-file.ts';

/** What files say about a model beside the shapes of its tensors. */
export interface KnownConfig {
  readonly config: Partial<DiTConfig>;
  readonly classNames: readonly string[] | undefined;
}

/** A JSON object that says something about a model, and what error messages call it. */
export interface ConfigSource {
  readonly where: string;
  readonly json: JsonObject;
}

/**
 * Reads a config of either scheme: the original constructor's arguments (or its training script's),
 * or those of diffusers.
 *
 * @throws ModelError for a value of the wrong type
 */
export function parseKnownConfig({ where, json }: ConfigSource): KnownConfig {
  if (!isDiffusersConfig(json)) return parsePartialDiTConfig(json, where);
  const { class_names } = json;
  const { classNames } = parsePartialDiTConfig({ class_names }, where);
  return { config: parseDiffusersConfig(json, where), classNames };
}

/**
 * Puts together what the checkpoint's own arguments and the `config.json` beside it say.
 *
 * @throws ModelError where they contradict each other
 */
export function mergeKnownConfigs(sources: readonly ConfigSource[]): KnownConfig {
  const config: { -readonly [K in keyof DiTConfig]?: DiTConfig[K] } = {};
  let classNames: readonly string[] | undefined;
  const said = new Map<string, string>();
  for (const source of sources) {
    const parsed = parseKnownConfig(source);
    classNames ??= parsed.classNames;
    for (const [key, value] of Object.entries(parsed.config)) {
      const before = config[key as keyof DiTConfig];
      if (before !== undefined && before !== value) {
        throw new ModelError(
          `${source.where} says ${key} ${value}, but ${said.get(key)} says ${before}; give the right one in a config file (--config).`,
        );
      }
      Object.assign(config, { [key]: value });
      said.set(key, source.where);
    }
  }
  return { config, classNames };
}

/** The arguments that a training script saved with the weights, if there are any. */
export function trainingArguments(file: TensorFile): ConfigSource | undefined {
  if (!isTorchCheckpoint(file)) return undefined;
  const args: unknown = file.args();
  return isJsonObject(args) ? { where: `${file.name}: args`, json: args } : undefined;
}

function isTorchCheckpoint(file: TensorFile): file is TorchCheckpoint {
  return 'args' in file;
}
