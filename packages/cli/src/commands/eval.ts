import { ArgumentError } from '@vq4dit/core';
import { Command, InvalidArgumentError, Option } from 'commander';
import { type CommandContext, withContext } from '../context.ts';
import { firstImages, writeImageGrid, writeReferenceBatch } from '../eval/outputs.ts';
import { DEFAULT_SAMPLES, type EvalResult, runEval } from '../eval/run.ts';
import { openTarget } from '../eval/target.ts';
import { checkOutputFile } from '../output.ts';
import { integer, number } from '../terminal/parse.ts';
import { formatNumber, formatSeconds, formatTable } from '../terminal/reporter.ts';

interface EvalFlags {
  config?: string;
  vae?: string;
  network?: string;
  reference?: string;
  samples?: number;
  sampler: 'ddpm' | 'ddim';
  steps: number;
  guidance: number;
  seed: number;
  batch?: number;
  curve?: number[];
  out?: string;
  referenceCache?: string;
  grid?: string;
  gridImages: number;
  saveBatch?: string;
}

export function evalCommand(): Command {
  return new Command('eval')
    .summary('FID, sFID, Inception Score, precision, recall and KID of a model or of images')
    .description(
      'Draws images with a model (or reads them from an .npz file or a folder of PNG files), runs a feature ' +
        'network over them and compares them with a reference batch. Image i has the same noise and label in ' +
        'every model, and no noise that a calibration uses. Features are kept in files, so a run that was ' +
        'stopped goes on, and one with more --samples draws only those that are missing.',
    )
    .argument(
      '<target>',
      'a checkpoint, a quantized artefact, an .npz file or a folder of PNG files',
    )
    .option(
      '--reference <path>',
      "reference batch (.npz, .safetensors) or folder of PNG files (default: the demo's)",
    )
    .option(
      '--network <file>',
      "weights of the feature network, .pth or .safetensors (default: the demo's)",
    )
    .option(
      '--samples <n>',
      `images (default: all that there are, or ${DEFAULT_SAMPLES})`,
      integer(2),
    )
    .addOption(new Option('--sampler <name>', 'sampler').choices(['ddpm', 'ddim']).default('ddim'))
    .option('--steps <n>', 'sampling steps', integer(1, 1000), 20)
    .option('--guidance <scale>', 'guidance scale; 1 is none and takes half the time', number(0), 1)
    .option('--seed <n>', 'seed of the noise', integer(0), 0)
    .option('--curve <list>', 'also FID of the first n images, e.g. 500,1000,2000', counts)
    .option(
      '--batch <n>',
      'images that are drawn and stored at once (default: up to 100)',
      integer(1),
    )
    .option('--vae <path>', 'image decoder, for models that draw latents')
    .option('--config <file>', "JSON with the DiT's arguments, for checkpoints that have none")
    .option('--out <folder>', 'where features are kept (default: a name of its own in out/eval)')
    .option(
      '--reference-cache <folder>',
      "where features of the reference's images are kept (default: beside --out)",
    )
    .option('--grid <file>', 'a .png with the first images')
    .option('--grid-images <n>', 'how many', integer(1), 20)
    .option('--save-batch <file>', 'images and statistics as a reference batch (.npz)')
    .addHelpText(
      'after',
      `
Examples:
  vq4dit eval out/demo/vq4dit --samples 2000
  vq4dit eval out/demo/vq4dit --curve 500,1000,2000,5000,10000
  vq4dit eval photographs/ --save-batch photographs.npz
  vq4dit eval out/xl-2bit --vae sd-vae-ft-mse --network pt_inception-2015-12-05-6726825d.pth \\
      --reference VIRTUAL_imagenet256_labeled.npz --sampler ddpm --steps 250 --guidance 1.5`,
    )
    .action((target: string, flags: EvalFlags, command: Command) =>
      withContext(command, (context) => evaluate(context, target, flags)),
    );
}

async function evaluate(context: CommandContext, path: string, flags: EvalFlags): Promise<void> {
  const { sampler, steps, guidance, seed, grid, saveBatch, out, network, reference, batch } = flags;
  const target = await openTarget(path, flags);
  try {
    const inputs = target.kind === 'model' ? target.model.files : [];
    for (const file of [grid, saveBatch]) if (file) await checkOutputFile(file, inputs);
    if (grid && !grid.endsWith('.png')) {
      throw new ArgumentError(`--grid ${grid}: the name must end in .png.`);
    }
    if (saveBatch && !saveBatch.endsWith('.npz')) {
      throw new ArgumentError(`--save-batch ${saveBatch}: the name must end in .npz.`);
    }
    const keepImages = saveBatch ? Number.POSITIVE_INFINITY : grid ? flags.gridImages : 0;
    const result = await runEval(context, {
      ...{ target, network, reference, out, batch, keepImages },
      samples: flags.samples,
      settings: { sampler, steps, guidance, seed },
      cache: flags.referenceCache,
      curve: flags.curve ?? [],
    });
    const { images } = result.metrics;
    if (grid) {
      const first = await firstImages(result.store, Math.min(images, flags.gridImages));
      await writeImageGrid(grid, first, first[0]!.width <= 64 ? 3 : 1);
    }
    if (saveBatch) {
      const { store } = result;
      await writeReferenceBatch(saveBatch, store, images, result.network, context.signal);
    }
    const drawn = target.kind === 'model' ? { sampler, steps, guidance, seed } : {};
    context.reporter.result(
      {
        ...{ target: path, kind: target.kind, ...drawn },
        network: result.network.name,
        networkFile: result.networkPath,
        reference: result.reference,
        ...result.metrics,
        features: result.store.path,
        drawn: result.drawn,
      },
      () => textOf(path, result),
    );
  } finally {
    await target.close();
  }
}

function textOf(path: string, { metrics, network, reference, store, drawn }: EvalResult): string {
  const { fid, sfid, inceptionScore, precision, recall, kid, curve } = metrics;
  const spread = (value: { mean: number; deviation: number } | undefined) =>
    value && `${formatNumber(value.mean)} ± ${formatNumber(value.deviation)}`;
  const rows: [string, string | undefined][] = [
    ['FID', fid?.toFixed(3)],
    ['sFID', sfid?.toFixed(3)],
    ['Inception Score', spread(inceptionScore)],
    ['precision', precision?.toFixed(4)],
    ['recall', recall?.toFixed(4)],
    ['KID', spread(kid)],
  ];
  const shown = rows.filter((row): row is [string, string] => row[1] !== undefined);
  const lines = [
    `${path}: ${metrics.images} images${reference ? `, against ${reference}` : ''}, by ${network.name}.`,
    formatTable(['metric', 'value'], shown),
  ];
  if (curve.length > 0) {
    const points = curve.map((point) => [
      String(point.images),
      point.fid?.toFixed(3) ?? '-',
      point.sfid?.toFixed(3) ?? '-',
    ]);
    lines.push(formatTable(['first images', 'FID', 'sFID'], points));
  }
  if (!reference) lines.push('Without --reference there is no distance to anything.');
  const rate = drawn.images / drawn.seconds;
  lines.push(
    drawn.images > 0
      ? `${drawn.images} images in ${formatSeconds(drawn.seconds)} (${formatNumber(rate)} a second); features are in ${store.path}.`
      : `All features were there already, in ${store.path}.`,
  );
  return lines.join('\n');
}

/** `500,1000` -> [500, 1000] */
function counts(text: string): number[] {
  const parse = integer(2);
  const values = text.split(',').map((part) => parse(part.trim()));
  if (new Set(values).size !== values.length)
    throw new InvalidArgumentError('A number comes twice.');
  return values.sort((a, b) => a - b);
}
