import { RATES, UNIFORM_BITS } from '@vq4dit/core';
import { isGridMethod } from '../quantize/grid-options.ts';
import type { RecipeName } from '../quantize/options.ts';

/** A way to quantize: what it is called, and what `vq4dit quantize` is told. */
export interface Method {
  readonly name: string;
  /** What the table calls it. */
  readonly title: string;
  /** A value of `quantize --method`. */
  readonly method: string;
  /** Arguments beside method, bits and seed. */
  readonly args: readonly string[];
  /** Whether it is calibrated along trajectories, whose number and length are options. */
  readonly calibrated: boolean;
  /** False where the result does not depend on the seed, so that one is enough. */
  readonly seeded: boolean;
}

const method = (
  name: string,
  title: string,
  {
    method = name,
    args = [],
    calibrated = false,
    seeded = true,
  }: Partial<Omit<Method, 'name' | 'title'>> = {},
): Method => ({ name, title, method, args, calibrated, seeded });
const uniform = (name: string, title: string, ...args: string[]): Method =>
  method(name, title, { method: 'uniform', args, seeded: false });
const vq4dit = (name: string, title: string, recipe: RecipeName, ...args: string[]): Method =>
  method(name, title, { method: 'vq4dit', args: ['--recipe', recipe, ...args], calibrated: true });

/** Every method that can be named; a new one is one line. */
export const METHODS: readonly Method[] = [
  uniform('uniform', 'uniform, round to nearest'),
  method('gptq', 'GPTQ', { calibrated: true }),
  method('qdit', 'Q-DiT', { calibrated: true }),
  method('repq', 'RepQ-ViT', { calibrated: true }),
  uniform('uniform-tensor', 'uniform, one grid a matrix', '--granularity', 'tensor'),
  uniform('uniform-group', 'uniform, groups of 128', '--group-size', '128'),
  uniform('uniform-mse', 'uniform, clipped by MSE', '--clipping', 'mse'),
  method('gptq-channel', 'GPTQ, one grid a row', {
    ...{ method: 'gptq', args: ['--granularity', 'channel'], calibrated: true },
  }),
  method('vq', 'VQ (k-means)'),
  vq4dit('vq-codebook', 'VQ, codebooks calibrated', 'output-error', '--candidates', '1'),
  vq4dit('paper', "VQ4DiT, the paper's recipe", 'paper'),
  vq4dit('paper-n1', "the paper's recipe, n = 1", 'paper', '--candidates', '1'),
  vq4dit('paper-n3', "the paper's recipe, n = 3", 'paper', '--candidates', '3'),
  vq4dit('paper-n4', "the paper's recipe, n = 4", 'paper', '--candidates', '4'),
  vq4dit('published-code', 'the published code', 'published-code'),
  vq4dit('output-error', 'VQ4DiT, assignments by output error', 'output-error'),
  vq4dit('best', 'VQ4DiT, best recipe', 'best'),
];

/** Those that are compared where nothing is said. */
export const DEFAULT_METHODS: readonly string[] = [
  ...['uniform', 'gptq', 'qdit', 'repq', 'vq', 'vq-codebook', 'paper', 'published-code'],
  ...['output-error', 'best'],
];

/** The arguments that ask a method for so many bits per weight; undefined where it has no such rate. */
export function rateArguments({ method }: Method, bits: number): string[] | undefined {
  const { least, most } = UNIFORM_BITS;
  const offered = isGridMethod(method) ? bits >= least && bits <= most : Object.hasOwn(RATES, bits);
  return offered ? ['--bits', String(bits)] : undefined;
}
