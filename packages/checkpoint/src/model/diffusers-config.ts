import { ModelError } from '@vq4dit/core';
import { checkConfig, type DiTConfig, hasNullLabel, outChannels } from '@vq4dit/dit';
import type { JsonObject } from './json-file.ts';

/** Fixed in diffusers' label embedding and feed-forward layer. */
const CLASS_DROPOUT = 0.1;
const MLP_RATIO = 4;

/** What a DiT needs a `Transformer2DModel` to be, where its config says it at all. */
const REQUIRED = {
  norm_type: 'ada_norm_zero',
  activation_fn: 'gelu-approximate',
  norm_elementwise_affine: false,
  attention_bias: true,
} as const;

const COUNTS = {
  sample_size: 'inputSize',
  patch_size: 'patchSize',
  in_channels: 'inChannels',
  num_layers: 'depth',
  num_attention_heads: 'numHeads',
  num_embeds_ada_norm: 'numClasses',
} as const;

/** Whether a JSON object is the config of a diffusers transformer. */
export function isDiffusersConfig(json: JsonObject): boolean {
  return 'num_attention_heads' in json || json._class_name === 'DiTTransformer2DModel';
}

/**
 * Reads the config of diffusers' `DiTTransformer2DModel` (in old files `Transformer2DModel`).
 *
 * @param where what error messages call it
 * @throws ModelError for a value of the wrong type, or a transformer that is not a DiT
 */
export function parseDiffusersConfig(json: JsonObject, where: string): Partial<DiTConfig> {
  for (const [key, wanted] of Object.entries(REQUIRED)) {
    const found = json[key];
    if (found !== undefined && found !== null && found !== wanted) {
      throw new ModelError(
        `${where}: ${key} is ${JSON.stringify(found)}, but a DiT has ${JSON.stringify(wanted)}.`,
      );
    }
  }
  const number = (key: string): number | undefined => {
    const value = json[key];
    if (value === undefined || value === null) return undefined;
    if (typeof value !== 'number') {
      throw new ModelError(`${where}: ${key} must be a number, not ${JSON.stringify(value)}.`);
    }
    return value;
  };
  const config: { -readonly [K in keyof DiTConfig]?: DiTConfig[K] } = {
    mlpRatio: MLP_RATIO,
    classDropoutProb: CLASS_DROPOUT,
  };
  for (const [key, name] of Object.entries(COUNTS) as [string, keyof DiTConfig][]) {
    const value = number(key);
    if (value !== undefined) Object.assign(config, { [name]: value });
  }
  const headWidth = number('attention_head_dim');
  if (headWidth !== undefined && config.numHeads !== undefined) {
    config.hiddenSize = headWidth * config.numHeads;
  }
  const inputs = config.inChannels;
  const outputs = number('out_channels') ?? inputs;
  if (inputs !== undefined && outputs !== undefined) {
    if (outputs !== inputs && outputs !== 2 * inputs) {
      throw new ModelError(
        `${where}: out_channels ${outputs} must be in_channels ${inputs}, or twice as many with learned sigma.`,
      );
    }
    config.learnSigma = outputs === 2 * inputs;
  }
  return config;
}

/**
 * The config that diffusers loads a model with.
 *
 * @throws ModelError where diffusers has no such model
 */
export function diffusersConfigToJson(
  config: DiTConfig,
  classNames?: readonly string[],
): Record<string, unknown> {
  checkConfig(config);
  if (!hasNullLabel(config)) {
    throw new ModelError(
      'diffusers has no DiT without a null label; write the original key names instead.',
    );
  }
  if (config.mlpRatio !== MLP_RATIO) {
    throw new ModelError(
      `diffusers has no DiT with mlp_ratio ${config.mlpRatio}, only ${MLP_RATIO}; write the original key names instead.`,
    );
  }
  return {
    _class_name: 'DiTTransformer2DModel',
    ...REQUIRED,
    sample_size: config.inputSize,
    patch_size: config.patchSize,
    in_channels: config.inChannels,
    out_channels: outChannels(config),
    num_layers: config.depth,
    num_attention_heads: config.numHeads,
    attention_head_dim: config.hiddenSize / config.numHeads,
    num_embeds_ada_norm: config.numClasses,
    dropout: 0,
    norm_num_groups: 32,
    // The original model's; diffusers' own default differs.
    norm_eps: 1e-6,
    upcast_attention: false,
    ...(classNames && { class_names: [...classNames] }),
  };
}
