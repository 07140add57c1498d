import type { ByteImages } from './network.ts';

/**
 * Bilinear interpolation to `side` x `side` as TensorFlow 1 does it without aligned corners: output
 * pixel i reads position i * size / side, without the half-pixel shift of later libraries. FID is
 * defined with this one, and reference batches were made with it.
 *
 * @returns [count, side, side, channels], values still from 0 to 255
 */
export function resizeBilinear(images: ByteImages, side: number): Float32Array {
  const { count, height, width, channels, values } = images;
  const rows = positions(height, side);
  const columns = positions(width, side);
  const out = new Float32Array(count * side * side * channels);
  let at = 0;
  for (let n = 0; n < count; n++) {
    const image = n * height * width * channels;
    for (const { low: y0, high: y1, share: fy } of rows) {
      for (const { low: x0, high: x1, share: fx } of columns) {
        for (let c = 0; c < channels; c++) {
          const pixel = (y: number, x: number) => values[image + (y * width + x) * channels + c]!;
          const top = pixel(y0, x0) + fx * (pixel(y0, x1) - pixel(y0, x0));
          const bottom = pixel(y1, x0) + fx * (pixel(y1, x1) - pixel(y1, x0));
          out[at++] = top + fy * (bottom - top);
        }
      }
    }
  }
  return out;
}

/** The two source pixels of each output pixel along one axis, and the share of the second. */
function positions(size: number, side: number) {
  return Array.from({ length: side }, (_, i) => {
    const position = (i * size) / side;
    const low = Math.floor(position);
    return { low, high: Math.min(low + 1, size - 1), share: position - low };
  });
}
