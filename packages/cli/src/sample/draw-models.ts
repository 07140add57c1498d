import type { ModelFile } from '@vq4dit/checkpoint';
import { ArgumentError, type TensorOps } from '@vq4dit/core';
import { DiTWeights } from '@vq4dit/dit';
import type { CommandContext } from '../context.ts';
import { defaultBatch } from './defaults.ts';
import { draw } from './draw.ts';
import type { ImageBatch } from './grid.ts';

/** How weights are kept in memory: as an artefact stores them, or decoded. */
export const WEIGHT_FORMS = ['packed', 'float32'] as const;
/** A name in {@link WEIGHT_FORMS}. */
export type WeightForm = (typeof WEIGHT_FORMS)[number];

/** What is drawn, by all models alike. */
export interface DrawModelsOptions {
  /** One for each image. */
  readonly labels: readonly number[];
  readonly steps: number;
  readonly cfg: number;
  readonly method: 'ddpm' | 'ddim';
  readonly eta: number;
  readonly seed: number;
  /** Images computed at once; by default as many as take little memory. */
  readonly batch?: number | undefined;
  /** By default packed where the model is quantized and the backend multiplies packed weights. */
  readonly weights?: WeightForm | undefined;
}

/** The same labels and noise through every model, one model in memory at a time. */
export async function drawModels(
  context: CommandContext,
  files: readonly ModelFile[],
  options: DrawModelsOptions,
): Promise<ImageBatch[]> {
  const { labels, steps, cfg: cfgScale, method, eta, seed } = options;
  const ops = await context.ops();
  const task = context.reporter.task('Sampling', files.length * labels.length * steps);
  const rows: ImageBatch[] = [];
  try {
    for (const [i, file] of files.entries()) {
      const { config, path } = file;
      const packed = keepsPacked(ops, file, options.weights);
      using weights = await DiTWeights.load(ops, config, file, { packed });
      const before = i * labels.length * steps;
      rows.push(
        await draw(ops, weights, {
          ...{ labels, steps, cfgScale, method, eta, seed },
          batch: options.batch ?? defaultBatch(config, cfgScale !== 1),
          signal: context.signal,
          onProgress: (done) => task.update(before + done, path),
        }),
      );
    }
  } finally {
    task.end();
  }
  return rows;
}

/** @throws ArgumentError where weights are to stay packed of which none are */
export function checkWeightForm(
  files: readonly ModelFile[],
  weights: WeightForm | undefined,
): void {
  if (weights === 'packed' && files.every(({ kind }) => kind !== 'artefact')) {
    throw new ArgumentError('--weights packed: none of the models is quantized.');
  }
}

function keepsPacked(ops: TensorOps, { kind }: ModelFile, weights?: WeightForm): boolean {
  return kind === 'artefact' && (weights ? weights === 'packed' : ops.hasFused('linear'));
}
