import { type ModelFile, openModel, type VaeFile } from '@vq4dit/checkpoint';
import { ArgumentError } from '@vq4dit/core';
import { Command, Option } from 'commander';
import { type CommandContext, withContext } from '../context.ts';
import { checkNoInput, checkOutputFile, checkOutputFolder } from '../output.ts';
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
import { imageFiles, writeFiles, writeGrid, writeValues } from '../sample/write-images.ts';
import { integer, number } from '../terminal/parse.ts';
import { formatSeconds } from '../terminal/reporter.ts';

interface SampleFlags {
  out?: string;
  images?: string;
  latents?: string;
  vae?: string;
  tile?: number;
  config?: string;
  labels?: string;
  perLabel: number;
  steps?: number;
  cfg?: number;
  method: 'ddpm' | 'ddim';
  eta: number;
  batch?: number;
  scale?: number;
  seed: number;
  weights?: WeightForm;
}

export function sampleCommand(): Command {
  return new Command('sample')
    .summary('draw images with one model, or with several from the same noise')
    .description(
      'Draws images and writes them as one PNG grid. With one model each label has a row (four ' +
        'labels, where there is one image of each); with several models each has a row and the ' +
        'columns show the same noise and label. The defaults for models of ImageNet latents are ' +
        'those of the original program.',
    )
    .argument('<model...>', 'checkpoints or quantized artefacts')
    .option('--out <file>', 'a .png grid, or .safetensors for the raw values [N, C, H, W]')
    .option('--images <folder>', 'every image as a PNG file of its own')
    .option('--vae <path>', 'image decoder for latents: a file or a folder, e.g. sd-vae-ft-ema')
    .option('--latents <file>', 'a .safetensors for the latents, before they are decoded')
    .option(
      '--tile <n>',
      'decode latents larger than n x n in tiles: less memory, slightly other images (default: 64)',
      integer(8),
    )
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
    .option('--scale <n>', 'enlarge pixels (default: 1, or 3 for small pictures)', integer(1, 64))
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
  vq4dit sample out/xl-2bit --vae sd-vae-ft-ema --out grid.png
  vq4dit sample out/xl-2bit --vae sd-vae-ft-ema --labels "golden retriever,88" --images out/dogs
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
    const classes = labels.map((label) => names && shortName(names[label]!));
    vae = await decoderFor(files, flags);
    const imageNames = imageFiles(files.length, labels, classes);
    await checkOutputs(flags, [...files, ...(vae ? [vae] : [])], imageNames);

    const { steps = defaults.steps, cfg = defaults.cfgScale } = flags;
    const drawn = await drawModels(context, files, { ...flags, labels, steps, cfg });
    // Before they are decoded, so that hours of sampling are not lost with the decoding.
    const metadata = { models: JSON.stringify(paths), labels: JSON.stringify(labels) };
    if (flags.latents) await writeValues(flags.latents, 'latents', drawn, metadata);
    const images = vae ? await decodeLatents(context, vae, drawn, flags.tile) : drawn;
    await writeImages(flags, images, imageNames, defaults.scale, metadata);
    const seconds = (performance.now() - started) / 1000;
    const { out, images: folder, latents } = flags;
    const written = [out, folder, latents].filter((path) => path !== undefined);
    const report = { out, images: folder, latents, models: paths, vae: vae?.path, labels, classes };
    context.reporter.result({ ...report, steps, cfg, seconds }, () =>
      [
        `Wrote ${written.join(', ')} in ${formatSeconds(seconds)}.`,
        ...legend(paths, labels, classes),
      ].join('\n'),
    );
  } finally {
    await Promise.all([...files, ...(vae ? [vae] : [])].map((file) => file.close()));
  }
}

function checkFlags({ out, latents, method, eta }: SampleFlags): void {
  if (out !== undefined && !/\.(png|safetensors)$/.test(out)) {
    throw new ArgumentError(`--out ${out}: the name must end in .png or .safetensors.`);
  }
  if (latents !== undefined && !latents.endsWith('.safetensors')) {
    throw new ArgumentError(`--latents ${latents}: the name must end in .safetensors.`);
  }
  if (eta > 0 && method !== 'ddim') {
    throw new ArgumentError(`--eta ${eta} is for DDIM only; add --method ddim.`);
  }
}

/** The image decoder, where one is needed or asked for. */
async function decoderFor(
  files: readonly ModelFile[],
  flags: SampleFlags,
): Promise<VaeFile | undefined> {
  const { config, path } = files[0]!;
  if (!isLatent(config)) {
    const flag = flags.vae !== undefined ? '--vae' : flags.latents !== undefined && '--latents';
    if (!flag) return undefined;
    throw new ArgumentError(
      `${flag}: ${path} draws pictures of ${config.inChannels} channels, not latents; leave it out.`,
    );
  }
  const pictures = flags.images !== undefined || (flags.out?.endsWith('.png') ?? false);
  if (!pictures && flags.vae === undefined) return undefined;
  return openImageDecoder(flags.vae, path, config.inChannels);
}

async function checkOutputs(
  flags: SampleFlags,
  inputs: readonly { readonly files: readonly string[] }[],
  imageNames: readonly string[],
): Promise<void> {
  const files = inputs.flatMap((input) => input.files);
  for (const file of [flags.out, flags.latents]) {
    if (file !== undefined) await checkOutputFile(file, files);
  }
  if (flags.images === undefined) return;
  await checkNoInput(flags.images, files);
  await checkOutputFolder(flags.images, imageNames, files);
}

async function writeImages(
  { out, images: folder, perLabel, scale: asked }: SampleFlags,
  images: Parameters<typeof writeGrid>[1],
  imageNames: readonly string[],
  usualScale: number,
  metadata: Readonly<Record<string, string>>,
): Promise<void> {
  const scale = asked ?? usualScale;
  if (out?.endsWith('.png')) await writeGrid(out, images, perLabel, scale);
  else if (out !== undefined) await writeValues(out, 'samples', images, metadata);
  if (folder !== undefined) await writeFiles(folder, images, imageNames, scale);
}

function legend(
  paths: readonly string[],
  labels: readonly number[],
  classes: readonly (string | undefined)[],
): string[] {
  const lines = labels.map((label, i) => `${label}${classes[i] ? ` ${classes[i]}` : ''}`);
  const drawn = `Labels: ${[...new Set(lines)].join(', ')}.`;
  if (paths.length === 1) return [drawn];
  return ['Rows, from the top:', ...paths.map((path, i) => `  ${i + 1}. ${path}`), drawn];
}
