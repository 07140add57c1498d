import { openModel } from '@vq4dit/checkpoint';
import { ArgumentError } from '@vq4dit/core';
import { Command } from 'commander';
import { type CommandContext, withContext } from '../context.ts';
import { integer } from '../terminal/parse.ts';
import { formatNumber, formatTable } from '../terminal/reporter.ts';
import { measureError } from '../verify/model-error.ts';
import { compareWeights, type WeightReport } from '../verify/weights.ts';

interface VerifyFlags {
  config?: string;
  blocks?: boolean;
  steps: number;
  repeats: number;
  seed: number;
}

export function verifyCommand(): Command {
  return new Command('verify')
    .summary('measure how far an artefact is from its original')
    .description(
      'Checks that every code has a codeword and that what was not quantized is unchanged, and gives the ' +
        'error of each weight matrix. With --blocks it also runs both models along sampling trajectories of ' +
        'the original, from noise that no calibration uses, and gives the error of block outputs and of the ' +
        'predicted noise.',
    )
    .argument('<original>', 'the checkpoint')
    .argument('<quantized>', 'the artefact')
    .option('--config <file>', "JSON with the DiT's arguments, where the checkpoint has none")
    .option('--blocks', 'measure block outputs as well')
    .option('--steps <n>', 'sampling steps, for --blocks', integer(1, 1000), 20)
    .option('--repeats <n>', 'images of each label, for --blocks', integer(1), 4)
    .option('--seed <n>', 'seed of the noise, for --blocks', integer(0), 12345)
    .action((original: string, quantized: string, flags: VerifyFlags, command: Command) =>
      withContext(command, (context) => verify(context, original, quantized, flags)),
    );
}

async function verify(
  context: CommandContext,
  originalPath: string,
  quantizedPath: string,
  flags: VerifyFlags,
): Promise<void> {
  const { reporter } = context;
  const original = await openModel(originalPath, flags.config ? { configPath: flags.config } : {});
  try {
    const quantized = await openModel(quantizedPath);
    try {
      if (quantized.kind !== 'artefact') {
        throw new ArgumentError(
          `${quantizedPath} is a plain checkpoint; give the artefact second.`,
        );
      }
      const weights = await compareWeights(original, quantized);
      const errors = flags.blocks
        ? await measureError(context, original, quantized, flags)
        : undefined;
      const text = () =>
        errors
          ? `${weightText(weights)}\nBlock-output MSE ${formatNumber(errors.block)}, predicted-noise MSE ${formatNumber(errors.eps)} (${flags.steps} steps, ${flags.repeats} images of each label; per block ${errors.perBlock.map(formatNumber).join(' ')})`
          : weightText(weights);
      reporter.result({ ...weights, errors }, text);
    } finally {
      await quantized.close();
    }
  } finally {
    await original.close();
  }
}

function weightText({ layers, total, changed, bitsPerWeight }: WeightReport): string {
  const table = formatTable(
    ['layer', 'weight MSE', 'SQNR dB', 'codewords used'],
    layers.map(({ name, mse, sqnr, used, codewords }) => [
      name,
      mse === undefined ? '-' : formatNumber(mse),
      mse === undefined ? '-' : (sqnr?.toFixed(2) ?? 'exact'),
      `${used} of ${codewords}`,
    ]),
  );
  const biases =
    changed.length > 0
      ? `${changed.length} other tensors differ: ${summary(changed)}`
      : 'All other tensors are the same';
  const { mse, sqnr } = total;
  const error =
    mse === undefined
      ? 'Layers without an error were changed together with their neighbours before they were quantized, so their weights do not compare; --blocks compares outputs.'
      : `All weights: MSE ${formatNumber(mse)}, SQNR ${sqnr === undefined ? 'exact' : `${sqnr.toFixed(2)} dB`}.`;
  return `${table}\n${error} ${bitsPerWeight.toFixed(3)} bits per weight with codebooks or scales. ${biases}.`;
}

function summary(names: readonly string[]): string {
  return names.length <= 3 ? names.join(', ') : `${names.slice(0, 3).join(', ')}, ...`;
}
