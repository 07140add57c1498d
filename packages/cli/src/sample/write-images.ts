import { join } from 'node:path';
import { type TensorToWrite, writeFileAtomic, writeFolderAtomic } from '@vq4dit/checkpoint';
import { encodeGrid, type ImageBatch } from './grid.ts';

/** How many images stand in a row of the grid where each has a label of its own. */
const IN_A_ROW = 4;

/**
 * Writes one grid: several models have a row each; of one model each label has a row, or four stand
 * in a row where there is one image of each label.
 */
export async function writeGrid(
  path: string,
  rows: readonly ImageBatch[],
  perLabel: number,
  scale: number,
): Promise<void> {
  const single = rows.length === 1;
  const layout = single ? splitRows(rows[0]!, perLabel === 1 ? IN_A_ROW : perLabel) : rows;
  await writeFileAtomic(path, [encodeGrid(layout, scale)]);
}

/** Batches as `<name>`, or as `<name>.<i>` where there are several. */
export function namedTensors(name: string, rows: readonly ImageBatch[]): TensorToWrite[] {
  return rows.map(({ values, shape }, i) => ({
    name: rows.length === 1 ? name : `${name}.${i}`,
    dtype: 'F32',
    shape: [...shape],
    data: () => new Uint8Array(values.buffer, values.byteOffset, values.byteLength),
  }));
}

/** Names of the files of {@link writeFiles}: the number of the image, its label, the label's name. */
export function imageFiles(
  models: number,
  labels: readonly number[],
  names: readonly (string | null)[],
): string[] {
  const digits = String(models * labels.length - 1).length;
  return Array.from({ length: models * labels.length }, (_, i) => {
    const label = labels[i % labels.length]!;
    const name = names[i % labels.length]?.toLowerCase().replace(/[^a-z0-9]+/g, '-');
    const model = models > 1 ? `model${Math.floor(i / labels.length) + 1}-` : '';
    const number = String(i % labels.length).padStart(digits, '0');
    return `${model}${number}-${label}${name ? `-${name}` : ''}.png`;
  });
}

/** Writes every image as a file of its own into a folder, all of them or none. */
export async function writeFiles(
  folder: string,
  rows: readonly ImageBatch[],
  files: readonly string[],
  scale: number,
): Promise<void> {
  const images = rows.flatMap((row) => splitRows(row, 1));
  await writeFolderAtomic(folder, async (temporary) => {
    for (const [i, image] of images.entries()) {
      await writeFileAtomic(join(temporary, files[i]!), [encodeGrid([image], scale, 0)]);
    }
  });
}

/** One batch as rows of `count` images; the last may have fewer. */
function splitRows({ values, shape }: ImageBatch, count: number): ImageBatch[] {
  const [n, ...image] = shape;
  const size = image.reduce((a, b) => a * b, 1);
  const rows: ImageBatch[] = [];
  for (let first = 0; first < n; first += count) {
    const own = Math.min(count, n - first);
    rows.push({
      values: values.subarray(first * size, (first + own) * size),
      shape: [own, ...image],
    });
  }
  return rows;
}
