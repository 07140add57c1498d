import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { ImageMetrics, TrajectoryError } from '@vq4dit/evaluation';
import type { QuantizeResult } from '../quantize/job.ts';
import type { WeightReport } from '../verify/weights.ts';
import type { Cell, MeasureSettings } from './plan.ts';
import { doStep, type StepRecord } from './step.ts';

/** What `vq4dit eval --json` says. */
export type EvalReport = ImageMetrics & {
  readonly features: string;
  readonly network: string;
  readonly reference?: string;
  readonly drawn: { readonly images: number; readonly seconds: number };
};
/** What `vq4dit quantize --json` says. */
export type QuantizeReport = QuantizeResult & {
  readonly bytes: number;
  readonly originalBytes: number;
};
/** What `vq4dit verify --blocks --json` says. */
export type VerifyReport = WeightReport & { readonly errors: TrajectoryError };

/** A finished cell. */
export interface CellResult {
  readonly id: string;
  readonly model: string;
  readonly modelPath: string;
  /** `original`, or a method's name. */
  readonly method: string;
  readonly title: string;
  readonly bits?: number;
  readonly seed?: number;
  readonly quantize?: StepRecord<QuantizeReport>;
  readonly verify?: StepRecord<VerifyReport>;
  readonly evaluation: StepRecord<EvalReport>;
  /** The same with more images. */
  readonly headline?: StepRecord<EvalReport>;
  /** The first images, as a PNG file. */
  readonly grid: string;
}

/** What all cells of a comparison share. */
export interface CellContext {
  /** Folder of the comparison. */
  readonly out: string;
  readonly measure: MeasureSettings;
  /** Arguments for every worker (`--backend`), and for those that open models or draw. */
  readonly common: {
    readonly all: readonly string[];
    readonly model: readonly string[];
    readonly draw: readonly string[];
  };
  readonly signal: AbortSignal;
  /** Cells at a time. */
  readonly concurrency: number;
  /** Only what is recorded counts; no step is started. */
  readonly recordedOnly?: boolean | undefined;
}

/** Images of a cell that the report shows, from the same noise in every cell. */
export const SHOWN_IMAGES = 10;

/** Quantizes, measures errors and images; each step in a process of its own, and done once. */
export async function runCell(
  cell: Cell,
  { out, measure, common, signal, concurrency, recordedOnly }: CellContext,
  onLine: (line: string) => void,
): Promise<CellResult> {
  const folder = join(out, 'cells', cell.id);
  const { model, quantized } = cell;
  const artefact = join(folder, 'artefact');
  const work = { signal, onLine, concurrency, recordedOnly };
  const makeArtefact = async () =>
    quantized &&
    doStep<QuantizeReport>(
      folder,
      'quantize',
      ['quantize', model.path, artefact, ...quantized.args, ...common.model, ...common.all],
      work,
    );
  const quantize = await makeArtefact();
  // Artefacts may have been deleted to save room; a step that is left to do has it made again.
  const prepare = async () => {
    if (!quantized || existsSync(artefact)) return;
    await rm(join(folder, 'quantize.json'), { force: true });
    await makeArtefact();
  };
  const options = { ...work, prepare };
  const key = quantize ? digest(quantize.args) : 'original';
  const { errorSteps, errorRepeats } = measure;
  const verify =
    quantize &&
    (await doStep<VerifyReport>(
      folder,
      `verify-${key}`,
      [
        ...['verify', model.path, artefact, '--blocks', ...common.model, ...common.all],
        ...['--steps', String(errorSteps), '--repeats', String(errorRepeats)],
      ],
      options,
    ));
  const grid = join(folder, `images-${key}.png`);
  const { sampler, steps, guidance, evalSeed } = measure;
  const target = quantized ? [artefact] : [model.path, ...common.model];
  const draw = [
    ...['eval', ...target, ...common.draw, ...common.all],
    ...['--sampler', sampler, '--steps', String(steps), '--guidance', String(guidance)],
    ...['--seed', String(evalSeed), '--reference-cache', join(out, 'reference')],
  ];
  const features = digest([key, ...draw]);
  const store = ['--out', join(folder, `features-${features}`)];
  const evaluate = (name: string, ...more: string[]) =>
    doStep<EvalReport>(folder, `${name}-${features}`, [...draw, ...store, ...more], options);
  const picture = ['--grid', grid, '--grid-images', String(SHOWN_IMAGES)];
  const evaluation = await evaluate('eval', '--samples', String(measure.samples), ...picture);
  const headline =
    cell.headline && measure.headlineSamples > measure.samples
      ? await evaluate('headline', ...headlineArguments(measure), ...picture)
      : undefined;
  return {
    ...{ id: cell.id, model: model.name, modelPath: model.path, grid, evaluation },
    method: quantized?.method.name ?? 'original',
    title: quantized?.method.title ?? 'floating point',
    ...(quantized && { bits: quantized.bits, seed: quantized.seed }),
    ...(quantize && { quantize }),
    ...(verify && { verify }),
    ...(headline && { headline }),
  };
}

/** More images, and how FID moves on the way to them. */
function headlineArguments({ headlineSamples }: MeasureSettings): string[] {
  const curve = [500, 1000, 2000, 5000].filter((n) => n < headlineSamples);
  const points = [...curve, headlineSamples].join(',');
  return ['--samples', String(headlineSamples), '--curve', points];
}

/** Names of files change with what they were made from, so that nothing old is taken for new. */
function digest(args: readonly string[]): string {
  return createHash('sha256').update(args.join('\0')).digest('hex').slice(0, 8);
}
