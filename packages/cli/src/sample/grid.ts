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

/** @throws ArgumentError where images of so many channels are no pictures: latents, for instance */
export function checkPicture(channels: number): void {
  if (channels === 1 || channels === 3) return;
  throw new ArgumentError(
    `This model draws latents of ${channels} channels, which are not a picture yet; write --out samples.safetensors and decode them with the model's image decoder.`,
  );
}

/**
 * Lays images out in rows of equal length and encodes them as PNG.
 *
 * @param rows each a batch of the same number of images of one size, 1 or 3 channels
 * @param scale whole-number enlargement
 * @throws ArgumentError where the images are no pictures: latents, for instance
 */
export function encodeGrid(rows: readonly ImageBatch[], scale: number): Uint8Array {
  const [columns, channels, height, width] = rows[0]!.shape;
  checkPicture(channels);
  const cellWidth = width * scale + GAP;
  const cellHeight = height * scale + GAP;
  const gridWidth = columns * cellWidth + GAP;
  const gridHeight = rows.length * cellHeight + GAP;
  const data = new Uint8Array(gridWidth * gridHeight * channels).fill(BACKGROUND);
  for (const [row, { values }] of rows.entries()) {
    for (let column = 0; column < columns; column++) {
      const image = values.subarray(
        column * channels * height * width,
        (column + 1) * channels * height * width,
      );
      for (let y = 0; y < height * scale; y++) {
        for (let x = 0; x < width * scale; x++) {
          const at = (row * cellHeight + GAP + y) * gridWidth + column * cellWidth + GAP + x;
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
