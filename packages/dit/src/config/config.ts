import { ModelError } from '@vq4dit/core';

/** The shape of a Diffusion Transformer (Peebles & Xie 2022). */
export interface DiTConfig {
  /** Height and width of the image or latent, in pixels. */
  readonly inputSize: number;
  /** Height and width of a patch; divides `inputSize`. */
  readonly patchSize: number;
  readonly inChannels: number;
  /** Width D of a token; a multiple of `numHeads`. */
  readonly hiddenSize: number;
  /** Number of blocks. */
  readonly depth: number;
  readonly numHeads: number;
  /** Width of the hidden layer of a block's MLP, as a multiple of `hiddenSize`. */
  readonly mlpRatio: number;
  /** Without the null label. */
  readonly numClasses: number;
  /** Above 0 the label table has one more row, the null label of classifier-free guidance. */
  readonly classDropoutProb: number;
  /** The model predicts noise and variance (twice as many output channels), not noise alone. */
  readonly learnSigma: boolean;
}

/** Tokens per image, T. */
export function tokenCount(config: DiTConfig): number {
  return (config.inputSize / config.patchSize) ** 2;
}

/** Channels of the model's output: noise, and one variance channel each where sigma is learned. */
export function outChannels(config: DiTConfig): number {
  return config.learnSigma ? 2 * config.inChannels : config.inChannels;
}

/** Width of the hidden layer of a block's MLP. */
export function mlpWidth(config: DiTConfig): number {
  return Math.trunc(config.hiddenSize * config.mlpRatio);
}

/** Rows of the label table. */
export function labelRows(config: DiTConfig): number {
  return config.numClasses + (hasNullLabel(config) ? 1 : 0);
}

/** Whether the model knows a null label, which classifier-free guidance needs. */
export function hasNullLabel(config: DiTConfig): boolean {
  return config.classDropoutProb > 0;
}

const COUNTS = [
  ['inputSize', 'input_size'],
  ['patchSize', 'patch_size'],
  ['inChannels', 'in_channels'],
  ['hiddenSize', 'hidden_size'],
  ['depth', 'depth'],
  ['numHeads', 'num_heads'],
  ['numClasses', 'num_classes'],
] as const;

/**
 * Checks that the numbers make a model. Options are called by their names in `config.json`;
 * `where` says whose they are.
 *
 * @throws ModelError
 */
export function checkConfig(config: DiTConfig, where = 'DiT config'): DiTConfig {
  const fail = (problem: string) => new ModelError(`${where}: ${problem}.`);
  for (const [key, name] of COUNTS) {
    const value = config[key];
    if (!Number.isSafeInteger(value) || value < 1) {
      throw fail(`${name} must be a positive integer, not ${value}`);
    }
  }
  const { inputSize, patchSize, hiddenSize, numHeads, mlpRatio, classDropoutProb } = config;
  if (inputSize % patchSize !== 0) {
    throw fail(`patch_size ${patchSize} does not divide input_size ${inputSize}`);
  }
  if (hiddenSize % numHeads !== 0) {
    throw fail(`num_heads ${numHeads} does not divide hidden_size ${hiddenSize}`);
  }
  if (!Number.isFinite(mlpRatio) || mlpWidth(config) < 1) {
    throw fail(`mlp_ratio ${mlpRatio} gives an MLP of no width`);
  }
  if (!(classDropoutProb >= 0 && classDropoutProb <= 1)) {
    throw fail(`class_dropout_prob must be from 0 to 1, not ${classDropoutProb}`);
  }
  return config;
}
