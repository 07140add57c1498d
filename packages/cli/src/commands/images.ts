import { Command } from 'commander';
import { type CommandContext, withContext } from '../context.ts';
import { decodeLatents, openImageDecoder } from '../sample/image-decoder.ts';
import { readLatents } from '../sample/latents-file.ts';
import {
  checkPictureOutput,
  legend,
  type PictureFlags,
  pictureOptions,
  writePictures,
} from '../sample/picture-output.ts';
import { formatSeconds } from '../terminal/reporter.ts';

export function imagesCommand(): Command {
  const command = new Command('images')
    .summary('turn latents that sample wrote into pictures')
    .description(
      'Decodes latents of `sample --latents`. So sampling, which takes hours for a large model, and ' +
        'decoding can be done at different times and places.',
    )
    .argument('<latents>', 'a .safetensors file of sample --latents');
  return pictureOptions(command).action((path: string, flags: PictureFlags, command: Command) => {
    if (flags.out === undefined && flags.images === undefined) {
      command.error('error: nothing would be written; add --out or --images');
    }
    return withContext(command, (context) => decode(context, path, flags));
  });
}

async function decode(context: CommandContext, path: string, flags: PictureFlags): Promise<void> {
  const started = performance.now();
  const { rows, ...what } = await readLatents(path);
  const perLabel = what.labels.filter((label) => label === what.labels[0]).length;
  const pictured = { ...what, perLabel };
  const vae = await openImageDecoder(flags.vae, undefined, rows[0]!.shape[1]);
  try {
    await checkPictureOutput(flags, pictured, [path, ...vae.files]);
    const images = await decodeLatents(context, vae, rows, flags.tile);
    await writePictures(flags, images, pictured, 1);
  } finally {
    await vae.close();
  }
  const seconds = (performance.now() - started) / 1000;
  const { out, images } = flags;
  context.reporter.result({ out, images, latents: path, vae: vae.path, ...what, seconds }, () => {
    const written = [out, images].filter((name) => name !== undefined).join(', ');
    return [`Wrote ${written} in ${formatSeconds(seconds)}.`, ...legend(pictured)].join('\n');
  });
}
