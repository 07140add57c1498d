import { ShapeError, type Tensor, type TensorOps } from '@vq4dit/core';

/**
 * Cuts images into square patches, row by row: x [N, C, H, W] -> [N, H/p W/p, C p p]. A patch's
 * values are in the order of a convolution kernel [C, p, p], so that a convolution with stride p is
 * a linear layer on patches.
 */
export function patchify(ops: TensorOps, x: Tensor, patchSize: number): Tensor {
  const [n, c, height, width] = x.shape as [number, number, number, number];
  const [rows, columns] = [height / patchSize, width / patchSize];
  if (x.shape.length !== 4 || !Number.isInteger(rows) || !Number.isInteger(columns)) {
    throw new ShapeError(
      `patchify: patches of ${patchSize} do not tile images of shape [${x.shape.join(', ')}].`,
    );
  }
  return ops.scope((s) => {
    const split = s.reshape(x, [n, c, rows, patchSize, columns, patchSize]);
    const grouped = s.permute(split, [0, 2, 4, 1, 3, 5]); // [N, H/p, W/p, C, p, p]
    return s.reshape(grouped, [n, rows * columns, c * patchSize * patchSize]);
  });
}

/**
 * Puts patches of an output layer together: tokens [N, T, p p C] -> [N, C, H, W], for square
 * images. Unlike in {@link patchify}, the channel is the last part of a patch.
 */
export function unpatchify(
  ops: TensorOps,
  tokens: Tensor,
  patchSize: number,
  channels: number,
): Tensor {
  const [n, count] = tokens.shape as [number, number, number];
  const side = Math.round(Math.sqrt(count));
  if (tokens.shape.length !== 3 || side * side !== count) {
    throw new ShapeError(
      `unpatchify: [${tokens.shape.join(', ')}] is not [N, T, p p C] with a square number of tokens.`,
    );
  }
  return ops.scope((s) => {
    const split = s.reshape(tokens, [n, side, side, patchSize, patchSize, channels]);
    const grouped = s.permute(split, [0, 5, 1, 3, 2, 4]); // [N, C, H/p, p, W/p, p]
    return s.reshape(grouped, [n, channels, side * patchSize, side * patchSize]);
  });
}
