import { formatShape, ModelError, type Shape, sameShape } from '@vq4dit/core';
import { type DiTConfig, labelRows, mlpWidth, outChannels, tokenCount } from './config.ts';

/** Length of the sinusoidal timestep embedding. */
export const TIMESTEP_FREQUENCIES = 256;

/** The linear layers of a block, by their names within it. */
export const BLOCK_LINEARS = [
  'attn.qkv',
  'attn.proj',
  'mlp.fc1',
  'mlp.fc2',
  'adaLN_modulation.1',
] as const;
/** A name in {@link BLOCK_LINEARS}. */
export type BlockLinear = (typeof BLOCK_LINEARS)[number];

/** `blocks.<index>.<layer>`; its tensors end in `.weight` and `.bias`. */
export function blockLayer(index: number, layer: BlockLinear): string {
  return `blocks.${index}.${layer}`;
}

/** The linear layers of a model's blocks as [out, in]. */
export function blockLinearShapes(
  config: DiTConfig,
): Record<BlockLinear, readonly [number, number]> {
  const width = config.hiddenSize;
  return {
    'attn.qkv': [3 * width, width],
    'attn.proj': [width, width],
    'mlp.fc1': [mlpWidth(config), width],
    'mlp.fc2': [width, mlpWidth(config)],
    'adaLN_modulation.1': [6 * width, width],
  };
}

/** The position embedding; a checkpoint may leave it out, because it is not learned. */
export const POSITION_EMBEDDING = 'pos_embed';

/** Every tensor of the model by its name in the original checkpoints, in their order. */
export function expectedTensors(config: DiTConfig): Map<string, Shape> {
  const { patchSize: p, hiddenSize: width } = config;
  const tensors = new Map<string, Shape>();
  const layer = (name: string, weight: Shape) => {
    tensors.set(`${name}.weight`, weight);
    tensors.set(`${name}.bias`, [weight[0]!]);
  };
  tensors.set(POSITION_EMBEDDING, [1, tokenCount(config), width]);
  layer('x_embedder.proj', [width, config.inChannels, p, p]);
  layer('t_embedder.mlp.0', [width, TIMESTEP_FREQUENCIES]);
  layer('t_embedder.mlp.2', [width, width]);
  tensors.set('y_embedder.embedding_table.weight', [labelRows(config), width]);
  const shapes = blockLinearShapes(config);
  for (let index = 0; index < config.depth; index++) {
    for (const name of BLOCK_LINEARS) layer(blockLayer(index, name), shapes[name]);
  }
  layer('final_layer.linear', [p * p * outChannels(config), width]);
  layer('final_layer.adaLN_modulation.1', [2 * width, width]);
  return tensors;
}

/**
 * Checks that the model's tensors are all there with the shapes that the config gives them; only
 * the position embedding may be missing. Returns the names that the model has no use for.
 *
 * @param shapes what was found
 * @param where what error messages call the checkpoint
 * @throws ModelError for the first tensor that is missing or of another shape
 */
export function checkTensors(
  config: DiTConfig,
  shapes: ReadonlyMap<string, Shape>,
  where = 'checkpoint',
): { readonly extra: readonly string[] } {
  const expected = expectedTensors(config);
  for (const [name, shape] of expected) {
    const found = shapes.get(name);
    if (!found) {
      if (name === POSITION_EMBEDDING) continue;
      throw new ModelError(
        `${where}: tensor ${name} is missing; a DiT of this config has it with shape ${formatShape(shape)}.`,
      );
    }
    if (!sameShape(found, shape)) {
      throw new ModelError(
        `${where}: tensor ${name} has shape ${formatShape(found)}, expected ${formatShape(shape)}.`,
      );
    }
  }
  return { extra: [...shapes.keys()].filter((name) => !expected.has(name)) };
}
