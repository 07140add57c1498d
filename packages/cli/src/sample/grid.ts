import { ArgumentError } from '@vq4dit/core';
import { encode } from 'fast-png';

/** Images [N, C, H, W] in [-1, 1], row-major. */
export interface ImageBatch {
  readonly values: Float32Array;
  readonly shape: readonly [number, number, number, number];
}

/** Pixels between the images of a grid. */
const GAP = 2;
const BACKGROUND = 96;

/**
 * Lays images out in rows and encodes them as PNG.
 *
 * @param rows each a batch of images of one size, 1 or 3 channels; shorter rows are filled up
 * @param scale whole-number enlargement
 * @param gap pixels between and around the images
 * @throws ArgumentError where the images are no pictures: latents, for instance
 */
export function encodeGrid(rows: readonly ImageBatch[], scale: number, gap = GAP): Uint8Array {
  const [, channels, height, width] = rows[0]!.shape;
  if (channels !== 1 && channels !== 3) {
    throw new ArgumentError(`Images of ${channels} channels are latents and no pictures.`);
  }
  const columns = Math.max(...rows.map(({ shape }) => shape[0]));
  const cellWidth = width * scale + gap;
  const cellHeight = height * scale + gap;
  const gridWidth = columns * cellWidth + gap;
  const gridHeight = rows.length * cellHeight + gap;
  const data = new Uint8Array(gridWidth * gridHeight * channels).fill(BACKGROUND);
  for (const [row, { values, shape }] of rows.entries()) {
    for (let column = 0; column < shape[0]; column++) {
      const image = values.subarray(
        column * channels * height * width,
        (column + 1) * channels * height * width,
      );
      for (let y = 0; y < height * scale; y++) {
        for (let x = 0; x < width * scale; x++) {
          const at = (row * cellHeight + gap + y) * gridWidth + column * cellWidth + gap + x;
          const from = Math.floor(y / scale) * width + Math.floor(x / scale);
          for (let c = 0; c < channels; c++) {
            data[at * channels + c] = toByte(image[c * height * width + from]!);
          }
        }
      }
    }
  }
  return encode({ width: gridWidth, height: gridHeight, data, channels, depth: 8 });
}

/** [-1, 1] -> 0 .. 255, clamped. */
function toByte(value: number): number {
  return Math.max(0, Math.min(255, Math.round((value + 1) * 127.5)));
}
