import { ModelError } from '@vq4dit/core';
import { checkConfig, type DiTConfig } from './config.ts';
import { ditPreset, isDiTPreset } from './presets.ts';

const NUMBER_KEYS = {
  input_size: 'inputSize',
  patch_size: 'patchSize',
  in_channels: 'inChannels',
  hidden_size: 'hiddenSize',
  depth: 'depth',
  num_heads: 'numHeads',
  mlp_ratio: 'mlpRatio',
  class_dropout_prob: 'classDropoutProb',
  num_classes: 'numClasses',
} as const;

/** What the original constructor takes where it is not told. The other options must be given. */
const DEFAULTS = { mlpRatio: 4, classDropoutProb: 0.1, learnSigma: true } as const;

/** What a JSON object says about a model; it need not say everything. */
export interface ParsedDiTConfig {
  readonly config: Partial<DiTConfig>;
  /** `class_names`, one for each class. */
  readonly classNames: readonly string[] | undefined;
  /** Keys that say nothing about the model. */
  readonly otherKeys: readonly string[];
}

/**
 * Reads what it finds of the original constructor's arguments (`input_size`, `patch_size`, ...), of
 * `class_names`, and of the arguments of the original training script (`model`: a preset's name,
 * `image_size`). Other keys are allowed. Nothing is filled in.
 *
 * @param where what error messages call the object, usually a path
 * @throws ModelError for a value of the wrong type
 */
export function parsePartialDiTConfig(json: unknown, where = 'config.json'): ParsedDiTConfig {
  if (typeof json !== 'object' || json === null || Array.isArray(json)) {
    throw new ModelError(`${where}: expected an object with the DiT's arguments.`);
  }
  const fail = (key: string, wanted: string, value: unknown) =>
    new ModelError(`${where}: ${key} must be ${wanted}, not ${JSON.stringify(value)}.`);
  const config: { -readonly [K in keyof DiTConfig]?: DiTConfig[K] } = {};
  const otherKeys: string[] = [];
  let classNames: readonly string[] | undefined;
  let model: string | undefined;
  let imageSize: number | undefined;
  for (const [key, value] of Object.entries(json)) {
    if (value === null || value === undefined) continue;
    if (Object.hasOwn(NUMBER_KEYS, key)) {
      if (typeof value !== 'number') throw fail(key, 'a number', value);
      config[NUMBER_KEYS[key as keyof typeof NUMBER_KEYS]] = value;
    } else if (key === 'learn_sigma') {
      if (typeof value !== 'boolean') throw fail(key, 'true or false', value);
      config.learnSigma = value;
    } else if (key === 'class_names') {
      if (!Array.isArray(value) || value.some((name) => typeof name !== 'string')) {
        throw fail(key, 'a list of names', value);
      }
      classNames = value;
    } else if (key === 'model' && typeof value === 'string' && isDiTPreset(value)) {
      model = value;
    } else if (key === 'image_size' && typeof value === 'number') {
      imageSize = value;
    } else {
      otherKeys.push(key);
    }
  }
  const preset = model === undefined ? {} : ditPreset(model, imageSize);
  return { config: { ...preset, ...config }, classNames, otherKeys };
}

/**
 * Reads a whole config. `mlp_ratio`, `class_dropout_prob` and `learn_sigma` have the original
 * constructor's defaults (4, 0.1, true); all else must be there.
 *
 * @throws ModelError that names what is missing or wrong
 */
export function parseDiTConfig(
  json: unknown,
  where = 'config.json',
): ParsedDiTConfig & { readonly config: DiTConfig } {
  const parsed = parsePartialDiTConfig(json, where);
  const config = { ...DEFAULTS, ...parsed.config };
  const missing = Object.entries(NUMBER_KEYS).filter(([, key]) => config[key] === undefined);
  if (missing.length > 0) {
    throw new ModelError(`${where}: ${missing.map(([name]) => name).join(', ')} not given.`);
  }
  const complete = checkConfig(config as DiTConfig, where);
  const { classNames } = parsed;
  if (classNames && classNames.length !== complete.numClasses) {
    throw new ModelError(
      `${where}: ${classNames.length} class_names for num_classes ${complete.numClasses}.`,
    );
  }
  return { ...parsed, config: complete };
}

/** The config by the original constructor's names, as {@link parseDiTConfig} reads it. */
export function ditConfigToJson(
  config: DiTConfig,
  classNames?: readonly string[],
): Record<string, unknown> {
  const json: Record<string, unknown> = {};
  for (const [name, key] of Object.entries(NUMBER_KEYS)) json[name] = config[key];
  json.learn_sigma = config.learnSigma;
  if (classNames) json.class_names = [...classNames];
  return json;
}
