import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { openModel, outputError } from '@vq4dit/checkpoint';
import { ArgumentError, VqError } from '@vq4dit/core';
import { markdownTable } from '@vq4dit/report';
import { Command, Option } from 'commander';
import {
  type CompareFlags,
  commandText,
  DEFAULTS,
  integers,
  names,
  seeds,
} from '../compare/flags.ts';
import { DEFAULT_METHODS, METHODS } from '../compare/methods.ts';
import {
  type CompareRequest,
  type MeasureSettings,
  methodsOf,
  namedModels,
  planCells,
} from '../compare/plan.ts';
import { REPORT_FILES, type ReportContext, writeReport } from '../compare/report.ts';
import { type Outcome, runCells } from '../compare/run.ts';
import { comparisonTable } from '../compare/table.ts';
import { type CommandContext, type GlobalOptions, withContext } from '../context.ts';
import { DEMO_FILES } from '../demo-files.ts';
import { integer, number } from '../terminal/parse.ts';
import { formatSeconds } from '../terminal/reporter.ts';

export function compareCommand(): Command {
  return new Command('compare')
    .summary('quantize with many methods and put the results into one table')
    .description(
      'Quantizes models with several methods, at several rates and with several seeds, measures each result ' +
        'and writes one report: a table, images from the same noise, FID against size, errors by layer and by ' +
        'timestep (report.md, report.json, report.html). Each step runs in a process of its own. What is ' +
        'finished is kept: the same command goes on after an interruption, and one with more methods only adds.',
    )
    .argument('[model...]', 'checkpoints (default: the demo model)')
    .option('--out <folder>', 'where to write', 'out/compare')
    .option(
      '--methods <list>',
      `of ${METHODS.map(({ name }) => name).join(', ')} (default: ${DEFAULT_METHODS.join(', ')})`,
      names,
    )
    .option('--bits <list>', 'bits per weight (default: 4,3,2)', integers)
    .option(
      '--seeds <list>',
      'seeds of the quantization; "0;2=0,1,2" gives 2 bits its own (the default)',
      seeds,
    )
    .option('--samples <n>', 'images of each cell (default: 2000)', integer(4))
    .option(
      '--headline <list>',
      'methods that are measured with more images at the fewest bits',
      names,
    )
    .option('--headline-samples <n>', 'how many; 0 for none (default: 10000)', integer(0))
    .addOption(new Option('--sampler <name>', 'sampler').choices(['ddpm', 'ddim']).default('ddim'))
    .option('--steps <n>', 'sampling steps (default: 20)', integer(1, 1000))
    .option('--guidance <scale>', 'guidance scale; 1 is none and takes half the time', number(0), 1)
    .option('--eval-seed <n>', 'seed of the noise that images are drawn from', integer(0), 0)
    .option(
      '--error-steps <n>',
      'steps of the errors along trajectories (default: 20)',
      integer(1, 1000),
    )
    .option('--error-repeats <n>', 'images of each label for them (default: 4)', integer(1))
    .option(
      '--trajectories <n>',
      'trajectories of each calibration (default: that of quantize)',
      integer(1),
    )
    .option(
      '--calibration-steps <n>',
      'steps of each trajectory (default: that of quantize)',
      integer(1, 1000),
    )
    .option('--network <file>', 'feature network; see eval')
    .option('--reference <path>', 'reference batch; see eval')
    .option('--vae <path>', 'image decoder, for models that draw latents')
    .option('--config <file>', "JSON with the DiT's arguments, for checkpoints that have none")
    .option('--quick', 'a rough table in a quarter of an hour: few images, short calibrations')
    .option('--finished', 'only report the cells that are finished; start none')
    .option(
      '--concurrency <n>',
      'cells at a time, which share the cores; more than one is faster and takes more memory (default: 1, with --quick 2)',
      integer(1, 64),
    )
    .addHelpText(
      'after',
      `
Examples:
  vq4dit compare --quick
  vq4dit compare model.pt --methods vq,best --bits 2 --seeds 0,1,2
  vq4dit compare                              the whole table of the demo model: some hours`,
    )
    .action((models: string[], flags: CompareFlags, command: Command) =>
      withContext(command, (context) =>
        compare(context, models, { ...flags, ...command.optsWithGlobals<GlobalOptions>() }),
      ),
    );
}

async function compare(
  context: CommandContext,
  models: string[],
  flags: CompareFlags,
): Promise<void> {
  const { out, sampler, guidance, evalSeed, quick = false } = flags;
  const defaults = quick ? DEFAULTS.quick : DEFAULTS.full;
  const concurrency = flags.concurrency ?? defaults.concurrency;
  const measure: MeasureSettings = {
    ...{ sampler, guidance, evalSeed },
    samples: flags.samples ?? defaults.samples,
    steps: flags.steps ?? defaults.steps,
    errorSteps: flags.errorSteps ?? defaults.errorSteps,
    errorRepeats: flags.errorRepeats ?? defaults.errorRepeats,
    headlineSamples: flags.headlineSamples ?? defaults.headlineSamples,
  };
  const request: CompareRequest = {
    models: namedModels(models.length > 0 ? models : [DEMO_FILES.checkpoint]),
    methods: flags.methods ?? DEFAULT_METHODS,
    bits: flags.bits ?? defaults.bits,
    seeds: flags.seeds ?? defaults.seeds,
    headline: flags.headline ?? defaults.headline,
    calibration: {
      trajectories: flags.trajectories ?? defaults.trajectories,
      calibrationSteps: flags.calibrationSteps ?? defaults.calibrationSteps,
    },
  };
  if (flags.headline) methodsOf(flags.headline);
  const cells = planCells(request);
  await checkModels(request, flags.config);
  await mkdir(out, { recursive: true }).catch((error: unknown) => {
    throw outputError(out, error);
  });
  const command = commandText(models, flags);
  const report: ReportContext = { out, command, measure, quick };
  const common = commonArguments(flags);
  const started = performance.now();
  const task = context.reporter.task('Cells', cells.length);
  let outcome: Outcome;
  try {
    outcome = await runCells(cells, {
      ...{ out, measure, common, concurrency, signal: context.signal },
      recordedOnly: flags.finished,
      onLine: ({ id }, line) => task.update(done(), `${id}: ${line}`),
      onCell: async (now) => {
        outcome = now;
        task.update(done());
        await writeReport(report, now);
      },
    });
  } finally {
    task.end();
  }
  const rows = await writeReport(report, outcome);
  const files = Object.values(REPORT_FILES).map((name) => join(out, name));
  const seconds = (performance.now() - started) / 1000;
  const { failed } = outcome;
  context.reporter.result(
    { files, seconds, failed, rows: rows.map(({ cells: _, ...row }) => row) },
    () =>
      [
        ...request.models.map(({ name }) =>
          markdownTable(
            comparisonTable(
              rows.filter(({ model }) => model === name),
              name,
            ),
          ),
        ),
        `Wrote ${files.join(', ')} after ${formatSeconds(seconds)}.`,
      ].join('\n\n'),
  );
  if (failed.length > 0) throw new CellsFailedError(failed, cells.length);

  function done(): number {
    return outcome ? cells.length - outcome.left : 0;
  }
}

/** Some cells could not be made; the report says which and why. */
class CellsFailedError extends VqError {
  override readonly name = 'CellsFailedError';
  constructor(failed: Outcome['failed'], total: number) {
    const [first] = failed;
    super(
      `${failed.length} of ${total} cells failed, the first being ${first!.id}: ${first!.reason.replace(/\.$/, '')}; the same command tries them again.`,
    );
  }
}

/** Models are opened before hours of work, not when it is their turn. */
async function checkModels({ models }: CompareRequest, config: string | undefined): Promise<void> {
  for (const { path } of models) {
    const model = await openModel(path, config ? { configPath: config } : {});
    await model.close();
    if (model.kind === 'artefact') {
      throw new ArgumentError(`${path} is quantized already; compare the original instead.`);
    }
  }
}

function commonArguments(flags: CompareFlags) {
  const given = (flag: string, value: string | undefined) =>
    value === undefined ? [] : [flag, value];
  return {
    all: [...given('--backend', flags.backend), ...(flags.requireGpu ? ['--require-gpu'] : [])],
    model: given('--config', flags.config),
    draw: [
      ...given('--network', flags.network),
      ...given('--reference', flags.reference),
      ...given('--vae', flags.vae),
    ],
  };
}
