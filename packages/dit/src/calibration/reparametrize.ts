import {
  type ChannelRanges,
  type LinearParameters,
  reparametrizeInput,
  reparametrizeModulation,
  reparametrizeScales,
} from '@vq4dit/core';
import type { DiTConfig } from '../config/config.ts';
import { type BlockLinear, blockLayer, blockLinearShapes } from '../config/tensors.ts';
import type { TensorSource } from '../model/weights.ts';

/** The linear layer that computes shifts, scales and gates of a block. */
const MODULATION = 'adaLN_modulation.1';
/**
 * The layers whose input is a modulated layer norm, and which chunk of the modulation's outputs is
 * the shift and the scale of that norm.
 */
const NORMALIZED = {
  'attn.qkv': { shift: 0, scale: 1 },
  'mlp.fc1': { shift: 3, scale: 4 },
} as const satisfies Partial<Record<BlockLinear, { shift: number; scale: number }>>;

/** Names of the layers of block `index` whose input a modulated layer norm gives, and of the modulation. */
export function normalizedLayers(index: number): {
  readonly layers: readonly string[];
  readonly modulation: string;
} {
  const names = Object.keys(NORMALIZED) as (keyof typeof NORMALIZED)[];
  return {
    layers: names.map((name) => blockLayer(index, name)),
    modulation: blockLayer(index, MODULATION),
  };
}

/**
 * Moves the differences between the channels of a block's normalized activations into its weights,
 * as RepQ-ViT does with the layer norms of a ViT: the block computes what it computed before.
 *
 * @param ranges of the inputs of those layers that are to be changed, by layer name
 * @returns the changed layers by name: those of `ranges` and the modulation
 */
export async function reparametrizeBlock(
  config: DiTConfig,
  index: number,
  source: TensorSource,
  ranges: ReadonlyMap<string, ChannelRanges>,
): Promise<Map<string, LinearParameters>> {
  const shapes = blockLinearShapes(config);
  const read = async (linear: BlockLinear): Promise<LinearParameters> => {
    const name = blockLayer(index, linear);
    const [rows, columns] = shapes[linear];
    const data = await source.readFloat32(`${name}.weight`);
    return {
      weight: { name, rows, columns, data },
      bias: await source.readFloat32(`${name}.bias`),
    };
  };
  const changed = new Map<string, LinearParameters>();
  for (const linear of Object.keys(NORMALIZED) as (keyof typeof NORMALIZED)[]) {
    const name = blockLayer(index, linear);
    const found = ranges.get(name);
    if (!found) continue;
    const change = reparametrizeScales(found);
    const { shift, scale } = NORMALIZED[linear];
    const width = config.hiddenSize;
    const modulation = changed.get(blockLayer(index, MODULATION)) ?? (await read(MODULATION));
    const rows = { shift: shift * width, scale: scale * width };
    changed.set(name, reparametrizeInput(await read(linear), change));
    changed.set(modulation.weight.name, reparametrizeModulation(modulation, change, rows));
  }
  return changed;
}
