import { openModel } from '@vq4dit/checkpoint';
import {
  ArgumentError,
  type CalibrationOptions,
  CLIPPINGS,
  checkUniformBits,
  GRANULARITIES,
  RATES,
} from '@vq4dit/core';
import { Command, Option } from 'commander';
import { type CommandContext, withContext } from '../context.ts';
import { sizeOnDisk } from '../model-size.ts';
import { isDeviceFailure } from '../quantize/device-failure.ts';
import {
  GRID_FLAGS,
  type GridFlags,
  gridSettings,
  isGridMethod,
} from '../quantize/grid-options.ts';
import type { QuantizeJob, QuantizeResult } from '../quantize/job.ts';
import { describeClamped } from '../quantize/layers.ts';
import {
  DEFAULT_SETTINGS,
  METHOD_NAMES,
  type MethodName,
  type QuantizeSettings,
  RECIPES,
  type RecipeName,
} from '../quantize/options.ts';
import { runQuantize } from '../quantize/run.ts';
import { collect, integer, number } from '../terminal/parse.ts';
import { formatBytes, formatSeconds } from '../terminal/reporter.ts';

/** `quantize` as it is typed; everything has a default. */
export interface QuantizeFlags extends GridFlags {
  config?: string;
  method: MethodName;
  bits?: number;
  codewords?: number;
  subvector?: number;
  candidates?: number;
  recipe: RecipeName;
  trajectories: number;
  steps: number;
  batch: number;
  cfg: number;
  include?: string[];
  exclude?: string[];
  splitQkv: boolean;
  codebookDtype: 'F16' | 'F32';
  maxIterations: number;
  blockInputs?: CalibrationOptions['blockInputs'];
  seed: number;
}

export function quantizeCommand(): Command {
  const { budget } = DEFAULT_SETTINGS;
  return new Command('quantize')
    .summary('compress a DiT to about 2 or 3 bits per weight')
    .description(
      'Replaces the weight matrices of the DiT blocks by codebooks and low-bit codes. With --method vq4dit ' +
        '(the default) codebooks and assignments are then calibrated together against the floating-point ' +
        'model, without data. The other methods are there to compare with. A run that is stopped goes on when the same command is given again.',
    )
    .argument('<model>', 'a .pt or .safetensors checkpoint, or a folder with config.json')
    .argument('<out>', 'folder to write: model.safetensors and config.json')
    .option('--config <file>', "JSON with the DiT's arguments, where the checkpoint has none")
    .addOption(
      new Option(
        '--method <name>',
        'vq: k-means only; vq4dit: k-means, then calibration; uniform, gptq, qdit, repq: uniform grids; see docs/baselines.md',
      )
        .choices(METHOD_NAMES)
        .default('vq4dit'),
    )
    .addOption(
      new Option(
        '--bits <n>',
        'nominal bits per weight: 1 (k=256, d=8), 2 (k=256, d=4), 3 (k=64, d=2) or 4 (k=256, d=2); 2 to 8 on uniform grids; default 2',
      )
        .argParser(integer(1, 8))
        .conflicts(['codewords', 'subvector']),
    )
    .option('--codewords <k>', 'codewords of a codebook', integer(1, 65536))
    .option('--subvector <d>', 'weights of a sub-vector', integer(1, 64))
    .option(
      '--candidates <n>',
      "candidate codewords of a sub-vector, 1 to 4; default: the recipe's (4)",
      integer(1, 4),
    )
    .addOption(
      new Option(
        '--recipe <name>',
        'how assignments and codebooks are calibrated; see docs/method.md',
      )
        .choices(Object.keys(RECIPES))
        .default(DEFAULT_SETTINGS.recipe),
    )
    .option('--trajectories <n>', 'calibration trajectories', integer(1), budget.trajectories)
    .option('--steps <n>', 'sampling steps of a trajectory', integer(1, 1000), budget.steps)
    .option('--batch <n>', 'images of a trajectory', integer(1), budget.batch)
    .option('--cfg <scale>', 'guidance scale of the trajectories', number(0), budget.cfgScale)
    .option('--include <glob>', 'only layers like "blocks.*.mlp.*"; may be repeated', collect)
    .option('--exclude <glob>', 'not these layers; may be repeated', collect)
    .option('--no-split-qkv', 'one codebook for the fused q, k, v instead of three')
    .addOption(
      new Option('--codebook-dtype <type>', 'how codebooks are stored')
        .choices(['F16', 'F32'])
        .default('F16'),
    )
    .addOption(
      new Option('--granularity <which>', 'uniform grids: what shares one').choices(GRANULARITIES),
    )
    .option('--group-size <n>', 'uniform grids: neighbouring weights of a group', integer(2))
    .addOption(
      new Option('--clipping <how>', 'uniform grids: how their range is chosen').choices(CLIPPINGS),
    )
    .option('--damping <share>', 'gptq, qdit: added to the Hessian (0.01)', number(0))
    .option('--act-order', 'gptq, qdit: columns in the order of importance')
    .option('--max-iterations <n>', 'most k-means iterations', integer(1), 100)
    .addOption(
      new Option('--block-inputs <which>', 'what a block is fed with in calibration').choices([
        'floating-point',
        'quantized',
        'floating-point-while-soft',
      ]),
    )
    .option('--seed <n>', 'seed of everything random', integer(0), 0)
    .addHelpText(
      'after',
      `
Examples:
  vq4dit quantize DiT-XL-2-256x256.pt out/xl-2bit
  vq4dit quantize model.pt out/vq --method vq --bits 3
  vq4dit quantize model.safetensors out/q --config dit.json --exclude "blocks.0.*"`,
    )
    .action((model: string, out: string, flags: QuantizeFlags, command: Command) =>
      withContext(command, (context) => quantize(context, model, out, flags)),
    );
}

/**
 * Settings from flags; what is not given comes from the recipe and the defaults.
 *
 * @throws ArgumentError for options that do not go with the method
 */
export function settingsOf(flags: QuantizeFlags): QuantizeSettings {
  checkMethodFlags(flags);
  const grid = isGridMethod(flags.method) ? gridSettings(flags.method, flags) : undefined;
  const { codewords, subvector } = rateOf(flags);
  const recipe = RECIPES[flags.recipe];
  return {
    method: flags.method,
    bits: Math.ceil(Math.log2(codewords)) / subvector,
    codewords,
    subvector,
    ...(grid && { grid }),
    include: flags.include ?? [],
    exclude: flags.exclude ?? [],
    splitQkv: flags.splitQkv,
    seed: flags.seed,
    codebookDType: flags.codebookDtype,
    maxIterations: flags.maxIterations,
    recipe: flags.recipe,
    calibration: {
      ...recipe,
      ...(flags.candidates !== undefined && { candidates: flags.candidates }),
      ...(flags.blockInputs && { blockInputs: flags.blockInputs }),
    },
    budget: {
      ...DEFAULT_SETTINGS.budget,
      trajectories: flags.trajectories,
      steps: flags.steps,
      batch: flags.batch,
      cfgScale: flags.cfg,
    },
  };
}

/** Codewords and sub-vector length; the codewords of a uniform grid are its points. */
function rateOf({ method, bits = 2, ...flags }: QuantizeFlags) {
  if (isGridMethod(method)) {
    checkUniformBits(bits);
    return { codewords: 2 ** bits, subvector: 1 };
  }
  const rate = RATES[bits as keyof typeof RATES];
  if (!rate) {
    throw new ArgumentError(
      `--bits ${bits}: codebooks have 1 to ${Math.max(...Object.keys(RATES).map(Number))} bits per weight; give --codewords and --subvector for other rates.`,
    );
  }
  const { codewords = rate.codewords, subvector = rate.subvector } = flags;
  return { codewords, subvector };
}

const CODEBOOK_FLAGS = ['codewords', 'subvector', 'candidates', 'blockInputs'] as const;

/** An option that the method would ignore is a mistake, and the artefact not what was meant. */
function checkMethodFlags(flags: QuantizeFlags): void {
  const { method } = flags;
  const grid = isGridMethod(method);
  const taken: readonly string[] = grid ? GRID_FLAGS[method] : CODEBOOK_FLAGS;
  for (const flag of [...Object.values(GRID_FLAGS).flat(), ...CODEBOOK_FLAGS]) {
    if (flags[flag] === undefined || taken.includes(flag)) continue;
    const name = flag.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
    throw new ArgumentError(`--${name} has no meaning with --method ${method}; leave it out.`);
  }
}

async function quantize(
  context: CommandContext,
  modelPath: string,
  out: string,
  flags: QuantizeFlags,
): Promise<void> {
  const { reporter } = context;
  const model = await openModel(modelPath, flags.config ? { configPath: flags.config } : {});
  try {
    const settings = settingsOf(flags);
    const result = await quantizeWithProgress(context, { model, out, settings });
    const bytes = await sizeOnDisk(out);
    const original = await sizeOnDisk(modelPath);
    reporter.result(
      { ...result, bytes, originalBytes: original },
      () =>
        `Wrote ${out}: ${formatBytes(bytes)} on disk (was ${formatBytes(original)}), ` +
        `${result.bitsPerWeight.toFixed(3)} bits per quantized weight with codebooks, ` +
        `${result.layers} layers, ${formatSeconds(sum(result.seconds))}.\n` +
        widenedText(result.widened) +
        `Next: vq4dit sample ${modelPath} ${out} --out grid.png`,
    );
  } finally {
    await model.close();
  }
}

function widenedText(layers: readonly string[]): string {
  if (layers.length === 0) return '';
  return `Codebooks or scales stored as F32, because F16 would overflow: ${layers.join(', ')}.\n`;
}

/**
 * Runs a job with a bar for each stage. A backend that fails is replaced by the next best one, which
 * goes on with what is finished, unless the user has named the one to use.
 */
export async function quantizeWithProgress(
  context: CommandContext,
  job: Pick<QuantizeJob, 'model' | 'out' | 'settings'>,
): Promise<QuantizeResult> {
  for (;;) {
    try {
      return await runWithBars(context, job);
    } catch (error) {
      if (!isDeviceFailure(error)) throw error;
      const reason = error.cause instanceof Error ? error.cause.message : error.message;
      if (!(await context.replaceBackend(reason))) throw error;
    }
  }
}

async function runWithBars(
  { reporter, signal, ops }: CommandContext,
  job: Pick<QuantizeJob, 'model' | 'out' | 'settings'>,
): Promise<QuantizeResult> {
  let bar: { label: string; task: ReturnType<typeof reporter.task> } | undefined;
  const show = (label: string, done: number, total: number, note: string) => {
    if (bar?.label !== label) {
      bar?.task.end();
      bar = { label, task: reporter.task(label, total) };
    }
    bar.task.update(done, note);
  };
  try {
    return await runQuantize({
      ...job,
      signal,
      ops: async () => {
        bar?.task.end();
        bar = undefined;
        return ops();
      },
      onPlan: (plans) => {
        const clamped = describeClamped(plans, job.settings.codewords);
        if (clamped) reporter.note(clamped);
      },
      onHostKMeans: (reason) =>
        reporter.note(`K-means runs on one thread, in JavaScript: ${reason}.`),
      onLayer: (done, total, name) =>
        show(job.settings.grid ? 'Quantization' : 'K-means', done, total, name),
      onGroupSizes: (done, total, name) => show('Group sizes', done, total, name),
      onStatistics: (done, total) => show('Input statistics', done, total, ''),
      onRefinement: (done, total, name) => show('Refinement', done, total, name),
      onCandidates: (done, total, name) => show('Candidates', done, total, name),
      onBackendChange: (from, to, trajectories) =>
        reporter.note(
          `The calibration goes on, on ${to}, after ${trajectories} finished trajectories that ${from} computed; no single backend gives the same bytes.`,
        ),
      onCalibration: ({ step, steps, blockError, penalty, hardLayers, layers }) =>
        show(
          'Calibration',
          step,
          steps,
          `block MSE ${blockError.toExponential(2)}, penalty ${penalty.toFixed(3)}, hard ${hardLayers}/${layers}`,
        ),
    });
  } finally {
    bar?.task.end();
  }
}

const sum = (parts: Readonly<Record<string, number>>) =>
  Object.values(parts).reduce((a, b) => a + b, 0);
