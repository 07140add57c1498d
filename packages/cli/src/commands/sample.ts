import { type ModelFile, openModel, type VaeFile } from '@vq4dit/checkpoint';
import { ArgumentError } from '@vq4dit/core';
import { Command, Option } from 'commander';
import { type CommandContext, withContext } from '../context.ts';
import { checkOutputFile } from '../output.ts';
import { classNamesOf, shortName } from '../sample/class-names.ts';
import { isLatent, sampleDefaults } from '../sample/defaults.ts';
import { checkComparable } from '../sample/draw.ts';
import {
  checkWeightForm,
  drawModels,
  WEIGHT_FORMS,
  type WeightForm,
} from '../sample/draw-models.ts';
import { decodeLatents, openImageDecoder } from '../sample/image-decoder.ts';
import { parseLabels } from '../sample/labels.ts';
import { writeLatents } from '../sample/latents-file.ts';
import {
  checkPictureOutput,
  legend,
  type PictureFlags,
  pictureOptions,
  writePictures,
} from '../sample/picture-output.ts';
import { integer, number } from '../terminal/parse.ts';
import { formatSeconds } from '../terminal/reporter.ts';

interface SampleFlags extends PictureFlags {
  latents?: string;
  config?: string;
  labels?: string;
  perLabel: number;
  steps?: number;
  cfg?: number;
  method: 'ddpm' | 'ddim';
  eta: number;
  batch?: number;
  seed: number;
  weights?: WeightForm;
}

export function sampleCommand(): Command {
  const command = new Command('sample')
    .summary('draw images with one model, or with several from the same noise')
    .description(
      'Draws images and writes them as one PNG grid. With one model each label has a row (four ' +
        'labels, where there is one image of each); with several models each has a row and the ' +
        'columns show the same noise and label. The defaults for models of ImageNet latents are ' +
        'those of the original program.',
    )
    .argument('<model...>', 'checkpoints or quantized artefacts');
  return pictureOptions(command)
    .option('--latents <file>', 'a .safetensors for the latents; see images')
    .option('--config <file>', "JSON with the DiT's arguments, for checkpoints that have none")
    .option(
      '--labels <list>',
      'numbers or class names, separated by commas (default: 8 well-known classes of ImageNet, or the first 10)',
    )
    .option('--per-label <n>', 'images of each label', integer(1), 1)
    .option(
      '--steps <n>',
      'sampling steps (default: 250 for latents of ImageNet, 50 otherwise)',
      integer(1, 1000),
    )
    .option(
      '--cfg <scale>',
      'guidance scale; 1 is none (default: 4 for latents of ImageNet, 1.5 otherwise)',
      number(0),
    )
    .addOption(new Option('--method <name>', 'sampler').choices(['ddpm', 'ddim']).default('ddpm'))
    .option('--eta <x>', 'noise of DDIM, 0 to 1', number(0, 1), 0)
    .option(
      '--batch <n>',
      'images computed at once (default: what takes little memory)',
      integer(1),
    )
    .option('--seed <n>', 'seed of the noise', integer(0), 0)
    .addOption(
      new Option(
        '--weights <form>',
        'how quantized layers are kept in memory (default: packed where the backend can)',
      ).choices(WEIGHT_FORMS),
    )
    .addHelpText(
      'after',
      `
Examples:
  vq4dit sample out/xl-2bit --vae sd-vae-ft-mse --out grid.png
  vq4dit sample out/xl-2bit --vae sd-vae-ft-mse --labels "golden retriever,88" --images out/dogs
  vq4dit sample model.pt out/vq out/vq4dit --out compare.png`,
    )
    .action((models: string[], flags: SampleFlags, command: Command) => {
      if (flags.out === undefined && flags.images === undefined && flags.latents === undefined) {
        command.error('error: nothing would be written; add --out, --images or --latents');
      }
      return withContext(command, (context) => sampleModels(context, models, flags));
    });
}

async function sampleModels(
  context: CommandContext,
  paths: string[],
  flags: SampleFlags,
): Promise<void> {
  checkFlags(flags);
  const started = performance.now();
  const options = flags.config ? { configPath: flags.config } : {};
  const files: ModelFile[] = [];
  let vae: VaeFile | undefined;
  try {
    for (const path of paths) files.push(await openModel(path, options));
    checkComparable(files.map((file) => file.config));
    checkWeightForm(files, flags.weights);
    const { config, classNames } = files[0]!;
    const defaults = sampleDefaults(config);
    const chosen = parseLabels(flags.labels, config, classNames, defaults.labels);
    const labels = chosen.flatMap((label) => new Array<number>(flags.perLabel).fill(label));
    const names = classNamesOf(config, classNames);
    const classes = labels.map((label) => (names ? shortName(names[label]!) : null));
    const pictured = { models: paths, labels, classes, perLabel: flags.perLabel };
    vae = await decoderFor(files[0]!, flags);
    const inputs = [...files, ...(vae ? [vae] : [])].flatMap((file) => file.files);
    await checkPictureOutput(flags, pictured, inputs);
    if (flags.latents !== undefined) await checkOutputFile(flags.latents, inputs);

    const { steps = defaults.steps, cfg = defaults.cfgScale, out, images: folder, latents } = flags;
    const drawn = await drawModels(context, files, { ...flags, labels, steps, cfg });
    // Before they are decoded, so that hours of sampling are not lost with the decoding.
    if (latents !== undefined) await writeLatents(latents, { rows: drawn, ...pictured });
    const images = vae ? await decodeLatents(context, vae, drawn, flags.tile) : drawn;
    await writePictures(flags, images, pictured, defaults.scale);
    const seconds = (performance.now() - started) / 1000;
    const report = { out, images: folder, latents, models: paths, vae: vae?.path, labels, classes };
    context.reporter.result({ ...report, steps, cfg, seconds }, () => {
      const written = [out, folder, latents].filter((path) => path !== undefined).join(', ');
      return [`Wrote ${written} in ${formatSeconds(seconds)}.`, ...legend(pictured)].join('\n');
    });
  } finally {
    await Promise.all([...files, ...(vae ? [vae] : [])].map((file) => file.close()));
  }
}

function checkFlags({ latents, method, eta }: SampleFlags): void {
  if (latents !== undefined && !latents.endsWith('.safetensors')) {
    throw new ArgumentError(`--latents ${latents}: the name must end in .safetensors.`);
  }
  if (eta > 0 && method !== 'ddim') {
    throw new ArgumentError(`--eta ${eta} is for DDIM only; add --method ddim.`);
  }
}

/** The image decoder, where one is needed or asked for. */
async function decoderFor(
  { config, path }: ModelFile,
  { out, images, latents, vae }: SampleFlags,
): Promise<VaeFile | undefined> {
  if (isLatent(config)) {
    const pictures = images !== undefined || (out?.endsWith('.png') ?? false);
    if (!pictures && vae === undefined) return undefined;
    return openImageDecoder(vae, path, config.inChannels);
  }
  const flag = vae !== undefined ? '--vae' : latents !== undefined && '--latents';
  if (!flag) return undefined;
  throw new ArgumentError(
    `${flag}: ${path} draws pictures of ${config.inChannels} channels, not latents; leave it out.`,
  );
}
