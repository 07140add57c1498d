import { openSafetensors, writeSafetensors } from '@vq4dit/checkpoint';
import { FileFormatError } from '@vq4dit/core';
import type { ImageBatch } from './grid.ts';
import { namedTensors } from './write-images.ts';

/** Latents of one model or several, as `sample --latents` writes them. */
export interface Latents {
  /** One batch for each model; all of the same shape. */
  readonly rows: readonly ImageBatch[];
  readonly models: readonly string[];
  /** Of each image. */
  readonly labels: readonly number[];
  /** The name of each label, where it has one. */
  readonly classes: readonly (string | null)[];
}

const NAME = 'latents';

/** Writes `latents`, or `latents.0`, `latents.1`, ... for several models. */
export async function writeLatents(path: string, latents: Latents): Promise<void> {
  const { rows, models, labels, classes } = latents;
  const strings = { models, labels, classes };
  const metadata = Object.entries(strings).map(([key, list]) => [key, JSON.stringify(list)]);
  await writeSafetensors(path, namedTensors(NAME, rows), Object.fromEntries(metadata));
}

/**
 * Reads what {@link writeLatents} has written.
 *
 * @throws InputError where it cannot be read
 * @throws FileFormatError where it is something else
 */
export async function readLatents(path: string): Promise<Latents> {
  const file = await openSafetensors(path);
  try {
    const list = <T>(key: string, legal: (value: unknown) => value is T): T[] => {
      const values = parseJson(file.metadata[key]);
      if (Array.isArray(values) && values.every(legal)) return values;
      throw notLatents(path, `its metadata has no ${key}`);
    };
    const models = list('models', (value) => typeof value === 'string');
    const labels = list('labels', isInteger);
    const classes = list('classes', (value) => value === null || typeof value === 'string');
    const rows: ImageBatch[] = [];
    for (const name of models.length === 1 ? [NAME] : models.map((_, i) => `${NAME}.${i}`)) {
      if (!file.has(name)) throw notLatents(path, `there is no tensor ${name}`);
      const { shape } = file.entry(name);
      if (shape.length !== 4 || shape[0] !== labels.length || labels.length === 0) {
        throw notLatents(path, `${name} has shape [${shape.join(', ')}]`);
      }
      rows.push({
        values: await file.readFloat32(name),
        shape: shape as unknown as ImageBatch['shape'],
      });
    }
    const same = rows.every(({ shape }) => shape.join() === rows[0]!.shape.join());
    if (!same || classes.length !== labels.length) {
      throw notLatents(path, 'its parts do not fit together');
    }
    return { rows, models, labels, classes };
  } finally {
    await file.close();
  }
}

const isInteger = (value: unknown): value is number => Number.isSafeInteger(value);

function notLatents(path: string, problem: string): FileFormatError {
  return new FileFormatError(
    `${path}: these are no latents of vq4dit sample --latents: ${problem}.`,
  );
}

function parseJson(text: string | undefined): unknown {
  try {
    return JSON.parse(text ?? 'null');
  } catch {
    return undefined;
  }
}
