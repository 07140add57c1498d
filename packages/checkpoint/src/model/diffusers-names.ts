/**
 * How the names of the original checkpoints and those of diffusers' `DiTTransformer2DModel`
 * correspond. Both compute the same thing from the same numbers, with two differences of form:
 * diffusers keeps q, k and v as three layers, whose rows follow each other in `attn.qkv`, and it
 * keeps a copy of the timestep and label embedders in every block. The chunks of the modulation
 * layers (shift, scale, gate; shift, scale) have the same order in both.
 */

/** One layer (a module with a weight, and perhaps a bias) under both schemes. */
interface LayerNames {
  readonly facebook: string;
  /** The rows of these layers, one below the other, are the original layer's. */
  readonly diffusers: readonly string[];
}

const OUTER: readonly LayerNames[] = [
  { facebook: 'x_embedder.proj', diffusers: ['pos_embed.proj'] },
  { facebook: 'final_layer.adaLN_modulation.1', diffusers: ['proj_out_1'] },
  { facebook: 'final_layer.linear', diffusers: ['proj_out_2'] },
];

/** Of each block, by names within it. */
const BLOCK: readonly LayerNames[] = [
  { facebook: 'adaLN_modulation.1', diffusers: ['norm1.linear'] },
  { facebook: 'attn.qkv', diffusers: ['attn1.to_q', 'attn1.to_k', 'attn1.to_v'] },
  { facebook: 'attn.proj', diffusers: ['attn1.to_out.0'] },
  { facebook: 'mlp.fc1', diffusers: ['ff.net.0.proj'] },
  { facebook: 'mlp.fc2', diffusers: ['ff.net.2'] },
];

/** Kept once by the original, in every block by diffusers. */
const COPIED: readonly LayerNames[] = [
  { facebook: 't_embedder.mlp.0', diffusers: ['norm1.emb.timestep_embedder.linear_1'] },
  { facebook: 't_embedder.mlp.2', diffusers: ['norm1.emb.timestep_embedder.linear_2'] },
  {
    facebook: 'y_embedder.embedding_table',
    diffusers: ['norm1.emb.class_embedder.embedding_table'],
  },
];

const KINDS = ['weight', 'bias'] as const;
const POSITION = { facebook: 'pos_embed', diffusers: 'pos_embed.pos_embed' } as const;

/** Where the tensors of the original names are found in a file with the names of diffusers. */
export interface DiffusersTensors {
  /** For each tensor by its original name: the tensors whose rows it consists of. */
  readonly parts: ReadonlyMap<string, readonly string[]>;
  /** Names that the model has no use for. */
  readonly extra: readonly string[];
}

/** Whether these are the tensors of a `DiTTransformer2DModel`. */
export function hasDiffusersNames(names: readonly string[]): boolean {
  return names.some((name) => name.startsWith('transformer_blocks.'));
}

/**
 * Matches the names of a diffusers file. Of the copied embedders, block 0's are taken, which is
 * where diffusers itself takes the conditioning of the output from; that the other copies are equal
 * is not checked. A tensor of which a part is missing does not appear.
 */
export function matchDiffusersNames(names: readonly string[]): DiffusersTensors {
  const present = new Set(names);
  const parts = new Map<string, readonly string[]>();
  const used = new Set<string>();
  const match = (facebook: string, diffusers: readonly string[]) => {
    if (!diffusers.every((name) => present.has(name))) return;
    parts.set(facebook, diffusers);
    for (const name of diffusers) used.add(name);
  };
  match(POSITION.facebook, [POSITION.diffusers]);
  for (const kind of KINDS) {
    for (const layer of OUTER) match(...tensorNames(layer, kind));
    for (const layer of COPIED) match(...tensorNames(layer, kind, '', 'transformer_blocks.0.'));
    for (let block = 0; present.has(`transformer_blocks.${block}.norm1.linear.weight`); block++) {
      const inner = `transformer_blocks.${block}.`;
      for (const layer of BLOCK) match(...tensorNames(layer, kind, `blocks.${block}.`, inner));
      // The copies of the embedders are known, if not needed.
      for (const layer of COPIED) used.add(tensorNames(layer, kind, '', inner)[1][0]!);
    }
  }
  return { parts, extra: names.filter((name) => !used.has(name)) };
}

/** Rows `start` to `end` of a tensor by its original name, as parts out of `of` equal ones. */
export interface DiffusersTensor {
  readonly name: string;
  readonly from: string;
  /** This tensor is the `part`-th of `parts` equal runs of rows. */
  readonly part: number;
  readonly parts: number;
}

/**
 * The tensors that a diffusers file holds, each with the original tensor that it comes from. The
 * position embedding is not among them, because diffusers computes it.
 *
 * @param names tensors of the model by their original names
 */
export function diffusersTensors(names: readonly string[], depth: number): DiffusersTensor[] {
  const present = new Set(names);
  const tensors: DiffusersTensor[] = [];
  const add = ([from, targets]: readonly [string, readonly string[]]) => {
    if (!present.has(from)) return;
    for (const [part, name] of targets.entries()) {
      tensors.push({ name, from, part, parts: targets.length });
    }
  };
  for (const kind of KINDS) {
    for (const layer of OUTER) add(tensorNames(layer, kind));
    for (let block = 0; block < depth; block++) {
      const inner = `transformer_blocks.${block}.`;
      for (const layer of COPIED) add(tensorNames(layer, kind, '', inner));
      for (const layer of BLOCK) add(tensorNames(layer, kind, `blocks.${block}.`, inner));
    }
  }
  return tensors;
}

function tensorNames(
  layer: LayerNames,
  kind: (typeof KINDS)[number],
  outer = '',
  inner = '',
): readonly [string, readonly string[]] {
  return [
    `${outer}${layer.facebook}.${kind}`,
    layer.diffusers.map((name) => `${inner}${name}.${kind}`),
  ];
}
