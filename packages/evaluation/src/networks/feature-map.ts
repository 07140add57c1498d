import type { Tensor } from '@vq4dit/core';

/** Images between two layers, channels last: one row per pixel. */
export interface FeatureMap {
  /** [N height width, channels] */
  readonly rows: Tensor;
  readonly images: number;
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** A window that slides over an image: convolution or pooling. */
export interface Window {
  /** Height and width. */
  readonly kernel: readonly [number, number];
  readonly stride: number;
  /** Rows and columns of padding on each side. */
  readonly padding: readonly [number, number];
}

/** Height and width of what a window gives. */
export function windowedSize(map: FeatureMap, window: Window): readonly [number, number] {
  const out = (size: number, i: 0 | 1) =>
    Math.floor((size + 2 * window.padding[i] - window.kernel[i]) / window.stride) + 1;
  return [out(map.height, 0), out(map.width, 1)];
}

/**
 * Which pixel row each tap of each window reads: int32 [N out_h out_w taps]. Taps outside of the
 * image read row N height width, which the caller puts behind the last pixel.
 */
export function windowRows(map: FeatureMap, window: Window): Int32Array {
  const [outHeight, outWidth] = windowedSize(map, window);
  const { images, height, width } = map;
  const [kh, kw] = window.kernel;
  const outside = images * height * width;
  const rows = new Int32Array(images * outHeight * outWidth * kh * kw);
  let at = 0;
  for (let n = 0; n < images; n++) {
    for (let i = 0; i < outHeight; i++) {
      for (let j = 0; j < outWidth; j++) {
        for (let a = 0; a < kh; a++) {
          const y = i * window.stride - window.padding[0] + a;
          for (let b = 0; b < kw; b++) {
            const x = j * window.stride - window.padding[1] + b;
            const inside = y >= 0 && y < height && x >= 0 && x < width;
            rows[at++] = inside ? (n * height + y) * width + x : outside;
          }
        }
      }
    }
  }
  return rows;
}
