import { decodeArtefact, openModel } from '@vq4dit/checkpoint';
import { ArgumentError } from '@vq4dit/core';
import { Command, Option } from 'commander';
import { type CommandContext, withContext } from '../context.ts';
import { sizeOnDisk } from '../model-size.ts';
import { checkNoInput } from '../output.ts';
import { formatBytes } from '../terminal/reporter.ts';

interface DecodeFlags {
  dtype: 'F32' | 'F16';
  keyNames: 'facebook' | 'diffusers';
}

export function decodeCommand(): Command {
  return new Command('decode')
    .summary('turn an artefact back into a plain checkpoint')
    .description(
      'Writes the weights that the quantized model computes with as an ordinary checkpoint, which the ' +
        'original PyTorch code and diffusers load. It is as large as the unquantized model.',
    )
    .argument('<quantized>', 'a quantized artefact')
    .argument('<out>', 'a .safetensors file, or a folder (with config.json)')
    .addOption(
      new Option('--dtype <type>', 'element type of the decoded matrices')
        .choices(['F32', 'F16'])
        .default('F32'),
    )
    .addOption(
      new Option('--key-names <scheme>', 'names of the tensors')
        .choices(['facebook', 'diffusers'])
        .default('facebook'),
    )
    .action((quantized: string, out: string, flags: DecodeFlags, command: Command) =>
      withContext(command, (context) => decode(context, quantized, out, flags)),
    );
}

async function decode(
  { reporter, signal }: CommandContext,
  quantized: string,
  out: string,
  flags: DecodeFlags,
): Promise<void> {
  const model = await openModel(quantized);
  try {
    if (model.kind !== 'artefact') {
      throw new ArgumentError(
        `${quantized} is a plain checkpoint already; there is nothing to decode.`,
      );
    }
    await checkNoInput(out, model.files);
    await decodeArtefact(model, out, { ...flags, signal });
    const bytes = await sizeOnDisk(out);
    reporter.result({ out, bytes, ...flags }, () => `Wrote ${out}, ${formatBytes(bytes)}.`);
  } finally {
    await model.close();
  }
}
