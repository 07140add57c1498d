import { linear, ShapeError, silu, type Tensor, type TensorOps } from '@vq4dit/core';
import { FeatureMap } from './feature-map.ts';
import { type Affine, applyAffine } from './group-norm.ts';
import { type PatchGrid, patchIndices, patchWindow } from './patches.ts';
import type { ConvolutionWeights } from './weights.ts';

/**
 * Bytes of the patches that a 3 x 3 convolution gathers at a time. Large enough that the product
 * takes nearly all the time, small beside the maps.
 */
const PATCH_BYTES = 32 << 20;

/** What is done around a convolution, in the same pass. */
export interface ConvolutionOptions {
  /** Normalization and SiLU of the input. */
  readonly norm?: Affine | undefined;
  /** Double height and width first, by repeating pixels. */
  readonly doubled?: boolean;
  /** Added to the output: a map of the output's size, through a 1 x 1 convolution if there is one. */
  readonly residual?: FeatureMap;
  /** Where the residual has other channels than the output. */
  readonly shortcut?: ConvolutionWeights | undefined;
  /** Free the input while it is read. A residual is always freed. */
  readonly free?: boolean;
  /** Bytes of patches at a time, for tests. */
  readonly patchBytes?: number | undefined;
  /** Called before each band. */
  readonly pause?: (() => Promise<void>) | undefined;
}

/** A 3 x 3 convolution with zeros around the image, or a 1 x 1 convolution, band by band. */
export async function convolve(
  ops: TensorOps,
  input: FeatureMap,
  layer: ConvolutionWeights,
  options: ConvolutionOptions = {},
): Promise<FeatureMap> {
  const { doubled = false, residual, shortcut, free = false, pause } = options;
  if (input.channels !== layer.inputs || (doubled && layer.kind !== 'conv3')) {
    throw new ShapeError(
      `convolve: ${input.channels} channels do not fit a ${layer.kind} for ${layer.inputs}.`,
    );
  }
  const grid: PatchGrid = { height: input.height, width: input.width, doubled };
  const factor = doubled ? 2 : 1;
  const output = new FeatureMap(factor * input.height, factor * input.width, layer.outputs);
  const step = bandRows(output, layer, options.patchBytes);
  for (let from = 0; from < output.height; from += step) {
    await pause?.();
    const to = Math.min(from + step, output.height);
    const band = ops.scope((s) => {
      const columns =
        layer.kind === 'conv1'
          ? activated(s, input.rows(s, from, to), options.norm)
          : patches(s, input, grid, from, to, options.norm);
      const product = linear(s, columns, layer.weight, { bias: layer.bias });
      columns.dispose();
      if (!residual) return product;
      const rest = residual.rows(s, from, to);
      return s.add(
        product,
        shortcut ? linear(s, rest, shortcut.weight, { bias: shortcut.bias }) : rest,
      );
    });
    output.append(band);
    residual?.freeAbove(to);
    if (free) input.freeAbove(layer.kind === 'conv1' ? to : patchWindow(grid, to, to + 1).first);
  }
  if (free) input.dispose();
  return output;
}

function bandRows(output: FeatureMap, layer: ConvolutionWeights, bytes = PATCH_BYTES): number {
  const taps = layer.kind === 'conv3' ? 9 : 1;
  const row = 4 * output.width * (taps * layer.inputs + layer.outputs);
  return Math.max(1, Math.min(output.height, Math.floor(bytes / row)));
}

/** -> [(to - from) width, 9 channels] */
function patches(
  ops: TensorOps,
  input: FeatureMap,
  grid: PatchGrid,
  from: number,
  to: number,
  norm: Affine | undefined,
): Tensor {
  const window = patchWindow(grid, from, to);
  return ops.scope((s) => {
    const rows = activated(s, input.rows(s, window.first, window.first + window.rows), norm);
    const padded = s.concat([rows, s.fill([1, input.channels], 0)], 0);
    const indices = patchIndices(grid, window, from, to);
    const gathered = s.gatherRows(padded, s.indices(indices, [indices.length]));
    return s.reshape(gathered, [indices.length / 9, 9 * input.channels]);
  });
}

function activated(ops: TensorOps, rows: Tensor, norm: Affine | undefined): Tensor {
  if (!norm) return rows;
  return ops.scope((s) => silu(s, applyAffine(s, rows, norm)));
}
