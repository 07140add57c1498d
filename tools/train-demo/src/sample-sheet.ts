import { writeFileAtomic } from '@vq4dit/checkpoint';
import { draw, encodeGrid } from '@vq4dit/cli';
import type { TensorOps } from '@vq4dit/core';
import type { DiTModel } from '@vq4dit/dit';

/** How the sheets are drawn; the same noise every time, so that they can be compared. */
const SHEET = { columns: 8, steps: 50, cfgScale: 1.5, seed: 0, batch: 40, scale: 2 } as const;

/** Draws some images of every class with guidance and writes them as PNG, one row per class. */
export async function writeSampleSheet(
  path: string,
  ops: TensorOps,
  model: DiTModel,
  signal: AbortSignal,
): Promise<void> {
  const { columns, steps, cfgScale, seed, batch, scale } = SHEET;
  const { numClasses } = model.config;
  const labels = Array.from({ length: numClasses * columns }, (_, i) => Math.floor(i / columns));
  const { values, shape } = await draw(ops, model, {
    ...{ labels, steps, cfgScale, seed, batch, signal, method: 'ddpm', eta: 0 },
    onProgress: () => undefined,
  });
  const [, channels, height, width] = shape;
  const size = columns * channels * height * width;
  const rows = Array.from({ length: numClasses }, (_, row) => ({
    values: values.subarray(row * size, (row + 1) * size),
    shape: [columns, channels, height, width] as const,
  }));
  await writeFileAtomic(path, [encodeGrid(rows, scale)]);
}
