import { formatShape, ModelError, type Shape } from '@vq4dit/core';
import { checkConfig, type DiTConfig } from './config.ts';
import { presetHeads } from './presets.ts';
import { checkTensors } from './tensors.ts';

/**
 * Finds a model's config from the names and shapes of its tensors, and checks all of them.
 *
 * Shapes do not tell two things. The number of heads comes from `known`, or from the preset of that
 * width and depth. Whether the last row of the label table is a null label comes from
 * `known.classDropoutProb` (0: it is a class) or `known.numClasses`; otherwise it is one, because
 * every published DiT has it.
 *
 * @param shapes names as in the original checkpoints
 * @param known what a config file or a training checkpoint says; must not contradict the shapes
 * @param where what error messages call the checkpoint
 * @throws ModelError that names the tensor, what was expected and what was found
 */
export function inferDiTConfig(
  shapes: ReadonlyMap<string, Shape>,
  known: Partial<DiTConfig> = {},
  where = 'checkpoint',
): { readonly config: DiTConfig; readonly extra: readonly string[] } {
  const shapeOf = (name: string, rank: number): readonly number[] => {
    const shape = shapes.get(name);
    if (!shape) throw new ModelError(`${where}: tensor ${name} is missing; is this a DiT?`);
    if (shape.length !== rank) {
      throw new ModelError(
        `${where}: tensor ${name} has shape ${formatShape(shape)}, expected ${rank} dimensions.`,
      );
    }
    return shape;
  };
  const [hiddenSize, inChannels, patchSize] = shapeOf('x_embedder.proj.weight', 4) as number[];
  const depth = countBlocks(shapes);
  if (depth === 0)
    throw new ModelError(`${where}: there are no tensors blocks.0.*; is this a DiT?`);
  const [mlpRows] = shapeOf('blocks.0.mlp.fc1.weight', 2);
  const [outRows] = shapeOf('final_layer.linear.weight', 2);
  const [labelRows] = shapeOf('y_embedder.embedding_table.weight', 2);
  const found: Omit<DiTConfig, 'numHeads'> = {
    inputSize: inferInputSize(),
    patchSize: patchSize!,
    inChannels: inChannels!,
    hiddenSize: hiddenSize!,
    depth,
    mlpRatio: mlpRows! / hiddenSize!,
    ...inferLabels(labelRows!, known),
    learnSigma: outRows! === 2 * patchSize! ** 2 * inChannels!,
  };
  for (const key of Object.keys(found) as (keyof typeof found)[]) {
    if (known[key] !== undefined && known[key] !== found[key] && key !== 'classDropoutProb') {
      throw new ModelError(
        `${where}: the tensors have ${key} ${found[key]}, but the config says ${known[key]}.`,
      );
    }
  }
  const config = checkConfig({ ...found, numHeads: inferHeads() }, where);
  return { config, ...checkTensors(config, shapes, where) };

  function inferInputSize(): number {
    if (!shapes.has('pos_embed')) {
      if (known.inputSize !== undefined) return known.inputSize;
      throw new ModelError(
        `${where}: without the tensor pos_embed the shapes do not tell the image size; give input_size in a config file (--config).`,
      );
    }
    const tokens = shapeOf('pos_embed', 3)[1]!;
    const side = Math.round(Math.sqrt(tokens));
    if (side * side !== tokens) {
      throw new ModelError(
        `${where}: tensor pos_embed has ${tokens} tokens, which do not fill a square.`,
      );
    }
    return side * patchSize!;
  }

  function inferHeads(): number {
    const heads = known.numHeads ?? presetHeads(hiddenSize!, depth);
    if (heads !== undefined) return heads;
    throw new ModelError(
      `${where}: the shapes do not tell the number of attention heads (width ${hiddenSize}, depth ${depth}); give num_heads in a config file (--config).`,
    );
  }
}

function countBlocks(shapes: ReadonlyMap<string, Shape>): number {
  let depth = 0;
  while (shapes.has(`blocks.${depth}.attn.qkv.weight`)) depth++;
  return depth;
}

function inferLabels(rows: number, known: Partial<DiTConfig>) {
  const noNullLabel =
    known.classDropoutProb === 0 ||
    (known.classDropoutProb === undefined && known.numClasses === rows);
  return noNullLabel
    ? { numClasses: rows, classDropoutProb: 0 }
    : { numClasses: rows - 1, classDropoutProb: known.classDropoutProb ?? 0.1 };
}
