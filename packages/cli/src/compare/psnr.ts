import { join } from 'node:path';
import { openSafetensors } from '@vq4dit/checkpoint';
import { psnr } from '@vq4dit/evaluation';
import type { CellResult } from './cell.ts';

/**
 * The mean PSNR of each cell's first images against the original's from the same noise; by the
 * cell's id. Images that are equal (infinite PSNR) leave it out.
 */
export async function psnrOfCells(results: readonly CellResult[]): Promise<Map<string, number>> {
  const found = new Map<string, number>();
  for (const cell of results) {
    if (cell.method === 'original') continue;
    const original = results.find(
      ({ model, method }) => model === cell.model && method === 'original',
    );
    if (!original) continue;
    const [a, b] = [await imagesOf(original), await imagesOf(cell)];
    const count = Math.min(a.length, b.length);
    const values = Array.from({ length: count }, (_, i) => psnr(a[i]!, b[i]!, 255));
    const mean = values.reduce((x, y) => x + y, 0) / count;
    if (Number.isFinite(mean)) found.set(cell.id, mean);
  }
  return found;
}

/** The images that the first file of features keeps. */
async function imagesOf({ evaluation }: CellResult): Promise<Uint8Array[]> {
  const file = await openSafetensors(
    join(evaluation.result.features, 'features-000000.safetensors'),
  );
  try {
    const { shape, data } = await file.read('images');
    const size = data.length / shape[0]!;
    return Array.from({ length: shape[0]! }, (_, i) => data.subarray(i * size, (i + 1) * size));
  } finally {
    await file.close();
  }
}
