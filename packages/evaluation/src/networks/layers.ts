import { linear, type Tensor, type TensorOps } from '@vq4dit/core';
import { type FeatureMap, type Window, windowedSize, windowRows } from './feature-map.ts';

/** Bytes of patches that a convolution gathers at a time. */
const PATCH_BYTES = 64 << 20;

/** A convolution's parameters, ready for products with patches. */
export interface Convolution {
  /** [out, taps in]: for each output channel the kernel, channels last. */
  readonly weight: Tensor;
  /** [out] */
  readonly bias: Tensor;
  readonly window: Window;
}

const relu = (ops: TensorOps, x: Tensor) => ops.maximum(x, ops.scalar(0));

/** Convolution, bias and ReLU, as products of patches with the kernels, some images at a time. */
export function convolveRelu(ops: TensorOps, map: FeatureMap, layer: Convolution): FeatureMap {
  const [height, width] = windowedSize(map, layer.window);
  const channels = layer.weight.shape[0]!;
  const perImage = 4 * height * width * layer.weight.shape[1]!;
  const step = Math.max(1, Math.floor(PATCH_BYTES / perImage));
  const rows = ops.scope((s) => {
    const parts: Tensor[] = [];
    for (let first = 0; first < map.images; first += step) {
      const images = Math.min(step, map.images - first);
      parts.push(s.scope((t) => convolvePart(t, imagesOf(t, map, first, images), layer)));
    }
    return parts.length === 1 ? parts[0]! : s.concat(parts, 0);
  });
  return { rows, images: map.images, height, width, channels };
}

function convolvePart(ops: TensorOps, map: FeatureMap, { weight, bias, window }: Convolution) {
  const pointwise = window.kernel[0] === 1 && window.kernel[1] === 1 && window.stride === 1;
  const patches = pointwise
    ? map.rows
    : ops.reshape(taps(ops, map, window, 0), [-1, weight.shape[1]!]);
  return relu(ops, linear(ops, patches, weight, { bias })); // [N out_h out_w, out]
}

/** The pixels under each window, [N out_h out_w, taps, channels]; `outside` stands for padding. */
function taps(ops: TensorOps, map: FeatureMap, window: Window, outside: number): Tensor {
  const padded = ops.concat([map.rows, ops.fill([1, map.channels], outside)], 0);
  const rows = windowRows(map, window);
  const gathered = ops.gatherRows(padded, ops.indices(rows, [rows.length]));
  return ops.reshape(gathered, [-1, window.kernel[0] * window.kernel[1], map.channels]);
}

function imagesOf(ops: TensorOps, map: FeatureMap, first: number, images: number): FeatureMap {
  const perImage = map.height * map.width;
  const rows = ops.slice(map.rows, [first * perImage, 0], [images * perImage, map.channels]);
  return { ...map, rows, images };
}

/** The largest value under each window; padding never wins. */
export function maxPool(ops: TensorOps, map: FeatureMap, window: Window): FeatureMap {
  const [height, width] = windowedSize(map, window);
  // Every window of the networks here covers at least one pixel, which is larger than this.
  const lowest = -3.4e38;
  const rows = ops.scope((s) => s.max(taps(s, map, window, lowest), 1));
  return { ...map, rows, height, width };
}

/** The mean under each window, over the pixels of the image alone: padding does not count. */
export function averagePool(ops: TensorOps, map: FeatureMap, window: Window): FeatureMap {
  const [height, width] = windowedSize(map, window);
  const size = window.kernel[0] * window.kernel[1];
  const outside = map.images * map.height * map.width;
  const rows = windowRows(map, window);
  const weights = new Float32Array(rows.length / size);
  rows.forEach((row, i) => {
    if (row !== outside) weights[Math.floor(i / size)]! += 1;
  });
  const result = ops.scope((s) => {
    const sums = s.sum(taps(s, map, window, 0), 1); // [N out_h out_w, C]
    return s.div(sums, s.tensor(weights, [weights.length, 1]));
  });
  return { ...map, rows: result, height, width };
}

/** The mean over all pixels of an image, [N, channels]. */
export function globalMean(ops: TensorOps, map: FeatureMap): Tensor {
  const pixels = map.height * map.width;
  return ops.scope((s) => s.mean(s.reshape(map.rows, [map.images, pixels, map.channels]), 1));
}

/** Maps of one size side by side: their channels one after the other. */
export function joinChannels(ops: TensorOps, maps: readonly FeatureMap[]): FeatureMap {
  const rows = ops.concat(
    maps.map((map) => map.rows),
    1,
  );
  return { ...maps[0]!, rows, channels: rows.shape[1]! };
}

/** The first `count` channels of every pixel, flattened pixel by pixel: [N, height width count]. */
export function firstChannels(ops: TensorOps, map: FeatureMap, count: number): Tensor {
  const total = map.images * map.height * map.width;
  return ops.scope((s) => s.reshape(s.slice(map.rows, [0, 0], [total, count]), [map.images, -1]));
}
