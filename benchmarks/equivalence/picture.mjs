import { writeFileSync } from 'node:fs';
import { encodeGrid } from '@vq4dit/cli';

/**
 * A row for each backend: the pictures that it draws with the reference's artefact, and beside them
 * those that the reference draws with the backend's own.
 */
export async function writePicture(path, { config, settings }, outcomes) {
  const reference = outcomes.get('reference');
  const size = config.inputSize;
  const count = settings.draw.labels.length;
  const rows = [...outcomes].map(([id, { images }]) => {
    const x = new Float32Array(2 * count * size ** 2);
    x.set(images.get('reference'));
    x.set(reference.images.get(id), count * size ** 2);
    return { values: x, shape: [2 * count, 1, size, size] };
  });
  writeFileSync(path, encodeGrid(rows, 3));
}
