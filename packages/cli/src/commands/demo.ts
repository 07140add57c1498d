import { join } from 'node:path';
import { type ModelFile, openModel, writeFileAtomic } from '@vq4dit/checkpoint';
import { Command } from 'commander';
import { type CommandContext, withContext } from '../context.ts';
import { DEMO_FILES } from '../demo-files.ts';
import { sizeOnDisk } from '../model-size.ts';
import { checkOutputFolder } from '../output.ts';
import { ARTEFACT_FILES, DEFAULT_SETTINGS, type QuantizeSettings } from '../quantize/options.ts';
import { drawModels } from '../sample/draw-models.ts';
import { encodeGrid, type ImageBatch } from '../sample/grid.ts';
import { integer } from '../terminal/parse.ts';
import { formatBytes, formatNumber, formatSeconds, formatTable } from '../terminal/reporter.ts';
import { measureError } from '../verify/model-error.ts';
import { compareWeights } from '../verify/weights.ts';
import { quantizeWithProgress } from './quantize.ts';

interface DemoFlags {
  out: string;
  trajectories: number;
  samplingSteps: number;
  seed: number;
}

/** One line of the demo's table. */
interface DemoRow {
  readonly model: string;
  readonly path: string;
  readonly bytes: number;
  readonly bitsPerWeight: number;
  readonly weightMse?: number;
  readonly blockMse?: number;
  readonly noiseMse?: number;
  readonly seconds?: number;
}

export function demoCommand(): Command {
  return new Command('demo')
    .summary('the whole thing on the model that comes along')
    .description(
      'Quantizes a small DiT trained on Fashion-MNIST to 2 bits, by plain vector quantization and by ' +
        'VQ4DiT, draws all ten classes with the three models from the same noise into one picture, and ' +
        'prints what each takes and loses. An interrupted run goes on when it is started again.',
    )
    .option('--out <folder>', 'where to write', 'out/demo')
    .option(
      '--trajectories <n>',
      'calibration trajectories',
      integer(1),
      DEFAULT_SETTINGS.budget.trajectories,
    )
    .option('--sampling-steps <n>', 'steps of the picture', integer(1, 1000), 50)
    .option('--seed <n>', 'seed of everything random', integer(0), 0)
    .action((flags: DemoFlags, command: Command) =>
      withContext(command, (context) => demo(context, flags)),
    );
}

async function demo(context: CommandContext, flags: DemoFlags): Promise<void> {
  const { reporter } = context;
  const source = DEMO_FILES.checkpoint;
  await checkOutputFolder(join(flags.out, 'vq'), ARTEFACT_FILES, []);
  const settings: QuantizeSettings = {
    ...DEFAULT_SETTINGS,
    seed: flags.seed,
    budget: { ...DEFAULT_SETTINGS.budget, trajectories: flags.trajectories },
  };
  const rows: DemoRow[] = [
    { model: 'floating point', path: source, bytes: await sizeOnDisk(source), bitsPerWeight: 32 },
  ];
  for (const [label, method] of [
    ['VQ', 'vq'],
    ['VQ4DiT', 'vq4dit'],
  ] as const) {
    reporter.note(`${label}:`);
    const out = join(flags.out, method);
    rows.push(await compress(context, label, source, out, { ...settings, method }));
  }

  const images = await drawAll(
    context,
    flags,
    rows.map((row) => row.path),
  );
  const picture = join(flags.out, 'compare.png');
  await writeFileAtomic(picture, [encodeGrid(images, 3)]);
  const report = { picture, rows };
  const json = new TextEncoder().encode(`${JSON.stringify(report, null, 2)}\n`);
  await writeFileAtomic(join(flags.out, 'report.json'), [json]);
  reporter.result(
    report,
    () =>
      `${tableOf(rows)}\nPicture: ${picture} (rows from the top: ${rows.map((row) => row.model).join(', ')}; columns: the ten classes, same noise)`,
  );
}

/** All classes by every model, from the same noise. */
async function drawAll(
  context: CommandContext,
  { samplingSteps: steps, seed }: DemoFlags,
  paths: readonly string[],
): Promise<ImageBatch[]> {
  const files: ModelFile[] = [];
  try {
    for (const path of paths) files.push(await openModel(path));
    const labels = Array.from({ length: files[0]!.config.numClasses }, (_, i) => i);
    return await drawModels(context, files, {
      ...{ labels, steps, cfg: 1.5, method: 'ddpm', eta: 0, batch: 20, seed },
    });
  } finally {
    await Promise.all(files.map((file) => file.close()));
  }
}

/** Quantizes, then measures the artefact as it is on disk. */
async function compress(
  context: CommandContext,
  label: string,
  source: string,
  out: string,
  settings: QuantizeSettings,
): Promise<DemoRow> {
  const model = await openModel(source);
  try {
    const started = performance.now();
    await quantizeWithProgress(context, { model, out, settings });
    const seconds = (performance.now() - started) / 1000;
    const artefact = await openModel(out);
    try {
      const weights = await compareWeights(model, artefact);
      const errors = await measureError(context, model, artefact, {
        steps: 20,
        repeats: 4,
        seed: 12345,
      });
      return {
        model: label,
        path: out,
        bytes: await sizeOnDisk(out),
        bitsPerWeight: weights.bitsPerWeight,
        weightMse: weights.total.mse,
        blockMse: errors.block,
        noiseMse: errors.eps,
        seconds,
      };
    } finally {
      await artefact.close();
    }
  } finally {
    await model.close();
  }
}

function tableOf(rows: readonly DemoRow[]): string {
  return formatTable(
    ['model', 'on disk', 'bits/weight', 'weight MSE', 'block MSE', 'noise MSE', 'time'],
    rows.map((row) => [
      row.model,
      formatBytes(row.bytes),
      row.bitsPerWeight.toFixed(3),
      formatNumber(row.weightMse),
      formatNumber(row.blockMse),
      formatNumber(row.noiseMse),
      row.seconds === undefined ? '-' : formatSeconds(row.seconds),
    ]),
  );
}
