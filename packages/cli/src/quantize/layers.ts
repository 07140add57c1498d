import { ArgumentError, clampCodewords } from '@vq4dit/core';
import { BLOCK_LINEARS, blockLayer, blockLinearShapes, type DiTConfig } from '@vq4dit/dit';
import picomatch from 'picomatch';

/** One weight matrix that will be quantized. */
export interface LayerPlan {
  /** Name without `.weight`. */
  readonly name: string;
  readonly rows: number;
  readonly columns: number;
  /** 3 for the fused q, k, v, which are three matrices with a codebook each. */
  readonly groups: number;
  /** Codewords of each codebook, after clamping. */
  readonly k: number;
  readonly d: number;
  /** Sub-vectors of each codebook. */
  readonly subvectors: number;
}

/** Which layers are quantized, and with which codebooks. */
export interface LayerSelection {
  readonly codewords: number;
  readonly subvector: number;
  /** Globs over names such as `blocks.3.mlp.fc1`; none means every linear layer of the blocks. */
  readonly include: readonly string[];
  readonly exclude: readonly string[];
  /** False: one codebook for the fused q, k, v, as the published code has it. */
  readonly splitQkv: boolean;
  /** Given where layers go to uniform grids, which have all their points however small the layer is. */
  readonly grid?: unknown;
}

/**
 * The linear layers of the blocks that the globs select; embedders and final layer always stay in
 * floating point.
 *
 * @param candidates fewest codewords that each codebook must have
 * @throws ArgumentError where nothing is left, a glob matches nothing, d does not divide a row, or a
 *   layer is too small for the candidates
 */
export function planLayers(
  config: DiTConfig,
  selection: LayerSelection,
  candidates = 1,
): LayerPlan[] {
  const { include, exclude, codewords, subvector: d } = selection;
  const shapes = blockLinearShapes(config);
  const all = Array.from({ length: config.depth }, (_, block) =>
    BLOCK_LINEARS.map((linear) => ({ name: blockLayer(block, linear), linear })),
  ).flat();
  for (const glob of [...include, ...exclude]) {
    if (glob === '' || !all.some(({ name }) => picomatch(glob)(name))) {
      throw new ArgumentError(
        `The pattern "${glob}" matches no layer; layers are called ${all[0]?.name} to ${all.at(-1)?.name}.`,
      );
    }
  }
  const included = include.length > 0 ? picomatch([...include]) : () => true;
  const excluded = exclude.length > 0 ? picomatch([...exclude]) : () => false;
  const chosen = all.filter(({ name }) => included(name) && !excluded(name));
  if (chosen.length === 0) {
    throw new ArgumentError('The include and exclude patterns leave no layer to quantize.');
  }
  return chosen.map(({ name, linear }) => {
    const [rows, columns] = shapes[linear];
    if (columns % d !== 0) {
      throw new ArgumentError(
        `${name}: sub-vectors of ${d} weights do not divide rows of ${columns}; choose another --subvector or exclude the layer.`,
      );
    }
    const groups = linear === 'attn.qkv' && selection.splitQkv ? 3 : 1;
    const subvectors = (rows * columns) / (d * groups);
    const k = selection.grid ? codewords : clampCodewords(codewords, subvectors);
    if (k < candidates) {
      throw new ArgumentError(
        `${name}: ${candidates} candidates cannot be taken from a codebook of ${k} codewords for ${subvectors} sub-vectors; choose fewer --candidates, a shorter --subvector or more --codewords.`,
      );
    }
    return { name, rows, columns, groups, k, d, subvectors };
  });
}

/** One line about the layers that are too small for the codebooks that were asked for, if any. */
export function describeClamped(
  plans: readonly LayerPlan[],
  codewords: number,
): string | undefined {
  const clamped = plans.filter(({ k }) => k < codewords);
  if (clamped.length === 0) return undefined;
  const some = clamped.slice(0, 3).map(({ name, k, subvectors }) => `${name} ${k} (${subvectors})`);
  const more = clamped.length > some.length ? `, and ${clamped.length - some.length} more` : '';
  return `Fewer than ${codewords} codewords, for lack of sub-vectors (their number in brackets): ${some.join(', ')}${more}.`;
}
