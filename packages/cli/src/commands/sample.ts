import {
  type ModelFile,
  openModel,
  type TensorToWrite,
  writeFileAtomic,
  writeSafetensors,
} from '@vq4dit/checkpoint';
import { ArgumentError } from '@vq4dit/core';
import { DiTWeights } from '@vq4dit/dit';
import { Command, Option } from 'commander';
import { type CommandContext, withContext } from '../context.ts';
import { checkOutputFile } from '../output.ts';
import { checkComparable, draw } from '../sample/draw.ts';
import { checkPicture, encodeGrid, type ImageBatch } from '../sample/grid.ts';
import { parseLabels } from '../sample/labels.ts';
import { integer, number } from '../terminal/parse.ts';
import { formatSeconds } from '../terminal/reporter.ts';

interface SampleFlags {
  out: string;
  config?: string;
  labels?: string;
  perLabel: number;
  steps: number;
  cfg: number;
  method: 'ddpm' | 'ddim';
  eta: number;
  batch: number;
  scale: number;
  seed: number;
}

export function sampleCommand(): Command {
  return new Command('sample')
    .summary('draw images with one model, or with several from the same noise')
    .description(
      'Draws images and writes them as one PNG grid. With one model each label has a row; with several ' +
        'models each has a row and the columns show the same noise and label.',
    )
    .argument('<model...>', 'checkpoints or quantized artefacts')
    .requiredOption('--out <file>', 'a .png grid, or .safetensors for the raw values [N, C, H, W]')
    .option('--config <file>', "JSON with the DiT's arguments, for checkpoints that have none")
    .option('--labels <list>', 'numbers or class names, separated by commas; default: the first 10')
    .option('--per-label <n>', 'images of each label', integer(1), 1)
    .option('--steps <n>', 'sampling steps', integer(1, 1000), 50)
    .option('--cfg <scale>', 'guidance scale; 1 is none', number(0), 1.5)
    .addOption(new Option('--method <name>', 'sampler').choices(['ddpm', 'ddim']).default('ddpm'))
    .option('--eta <x>', 'noise of DDIM, 0 to 1', number(0, 1), 0)
    .option('--batch <n>', 'images computed at once', integer(1), 20)
    .option('--scale <n>', 'enlarge pixels', integer(1, 64), 3)
    .option('--seed <n>', 'seed of the noise', integer(0), 0)
    .addHelpText(
      'after',
      `
Examples:
  vq4dit sample out/xl-2bit --out grid.png --labels 207,360 --cfg 4 --steps 250
  vq4dit sample model.pt out/vq out/vq4dit --out compare.png`,
    )
    .action((models: string[], flags: SampleFlags, command: Command) =>
      withContext(command, (context) => sampleModels(context, models, flags)),
    );
}

async function sampleModels(
  context: CommandContext,
  paths: string[],
  flags: SampleFlags,
): Promise<void> {
  const { reporter } = context;
  if (!/\.(png|safetensors)$/.test(flags.out)) {
    throw new ArgumentError(`--out ${flags.out}: the name must end in .png or .safetensors.`);
  }
  const started = performance.now();
  const picture = flags.out.endsWith('.png');
  if (flags.eta > 0 && flags.method !== 'ddim') {
    throw new ArgumentError(`--eta ${flags.eta} is for DDIM only; add --method ddim.`);
  }
  const { rows, labels, models } = await drawModels(context, paths, {
    ...flags,
    picture,
    check: (files) => checkOutputFile(flags.out, files),
  });
  await writeImages(
    flags.out,
    models,
    rows,
    paths.length === 1 ? flags.perLabel : undefined,
    flags,
  );
  const seconds = (performance.now() - started) / 1000;
  reporter.result({ out: flags.out, models: paths, labels, seconds }, () => {
    const legend = paths.map((path, i) => `  ${i + 1}. ${path}`);
    const lines = paths.length > 1 ? ['Rows, from the top:', ...legend] : [];
    return [`Wrote ${flags.out} in ${formatSeconds(seconds)}.`, ...lines].join('\n');
  });
}

/** What {@link drawModels} draws. */
interface DrawFlags extends Omit<SampleFlags, 'out' | 'scale'> {
  /** Whether it must be something that a PNG can show. */
  readonly picture: boolean;
  /** Checks made before anything is drawn, with the files that the models are read from. */
  readonly check?: (files: readonly string[]) => Promise<void>;
}

/** The same labels and noise through every model, one model in memory at a time. */
export async function drawModels(
  context: CommandContext,
  paths: readonly string[],
  flags: DrawFlags,
): Promise<{ rows: ImageBatch[]; labels: number[]; models: readonly string[] }> {
  const options = flags.config ? { configPath: flags.config } : {};
  const files: ModelFile[] = [];
  try {
    for (const path of paths) files.push(await openModel(path, options));
    checkComparable(files.map((file) => file.config));
    const { config, classNames } = files[0]!;
    if (flags.picture) checkPicture(config.inChannels);
    const chosen = parseLabels(flags.labels, config, classNames);
    const labels = chosen.flatMap((label) => new Array<number>(flags.perLabel).fill(label));
    await flags.check?.(files.flatMap((file) => file.files));
    const ops = await context.ops();
    const task = context.reporter.task('Sampling', files.length * labels.length * flags.steps);
    const rows: ImageBatch[] = [];
    try {
      for (const [i, file] of files.entries()) {
        using weights = await DiTWeights.load(ops, file.config, file);
        const before = i * labels.length * flags.steps;
        const { steps, cfg: cfgScale, method, eta, seed, batch } = flags;
        const progress = (done: number) => task.update(before + done, paths[i]);
        const { signal } = context;
        rows.push(
          await draw(ops, weights, {
            ...{ labels, steps, cfgScale, method, eta, seed, batch, signal },
            onProgress: progress,
          }),
        );
      }
    } finally {
      task.end();
    }
    return { rows, labels, models: paths };
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** Writes a grid or the raw values, whole or not at all. */
async function writeImages(
  out: string,
  models: readonly string[],
  rows: readonly ImageBatch[],
  perLabel: number | undefined,
  { scale }: { scale: number },
): Promise<void> {
  if (out.endsWith('.safetensors')) {
    const tensors = rows.map(
      ({ values, shape }, i): TensorToWrite => ({
        name: rows.length === 1 ? 'samples' : `samples.${i}`,
        dtype: 'F32',
        shape: [...shape],
        data: () => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
      }),
    );
    return writeSafetensors(out, tensors, { models: JSON.stringify(models) });
  }
  const layout = perLabel === undefined ? rows : splitRows(rows[0]!, perLabel);
  return writeFileAtomic(out, [encodeGrid(layout, scale)]);
}

/** One batch as rows of `count` images. */
function splitRows({ values, shape }: ImageBatch, count: number): ImageBatch[] {
  const [n, ...image] = shape;
  const size = count * image.reduce((a, b) => a * b, 1);
  return Array.from({ length: n / count }, (_, i) => ({
    values: values.subarray(i * size, (i + 1) * size),
    shape: [count, ...image] as [number, number, number, number],
  }));
}
