import type { TensorOps } from '@vq4dit/core';
import { decodeOne, type NetworkOptions } from './network.ts';
import type { VaeWeights } from './weights.ts';

/** Planes of one image, row-major. */
export interface Planes {
  /** [C, height, width] */
  readonly values: Float32Array;
  readonly height: number;
  readonly width: number;
}

/**
 * Decodes one latent, or a tile of one, as a whole.
 *
 * @param latent already divided by the scaling factor
 * @returns [3, H, W]
 */
export async function decodeTile(
  ops: TensorOps,
  weights: VaeWeights,
  latent: Planes,
  options: NetworkOptions,
): Promise<Planes> {
  const { latentChannels, imageChannels } = weights.config;
  return ops.scope(async (s) => {
    const pixels = latent.height * latent.width;
    const rows = s.tensor(transpose(latent.values, latentChannels, pixels), [
      pixels,
      latentChannels,
    ]);
    const map = await decodeOne(s, weights, rows, latent.height, latent.width, options);
    const { height, width } = map;
    const values = new Float32Array(imageChannels * height * width);
    let at = 0;
    for (const band of map.tensors()) {
      const part = await s.read(band); // [pixels, 3]
      const count = part.length / imageChannels;
      for (let c = 0; c < imageChannels; c++) {
        const plane = c * height * width + at;
        for (let i = 0; i < count; i++) values[plane + i] = part[i * imageChannels + c]!;
      }
      at += count;
    }
    return { values, height, width };
  });
}

/** [rows, columns] -> [columns, rows] */
function transpose(values: Float32Array, rows: number, columns: number): Float32Array {
  const out = new Float32Array(values.length);
  for (let row = 0; row < rows; row++) {
    for (let column = 0; column < columns; column++) {
      out[column * rows + row] = values[row * columns + column]!;
    }
  }
  return out;
}
