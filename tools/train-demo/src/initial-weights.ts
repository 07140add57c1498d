import { RandomStream, type Shape, sizeOf } from '@vq4dit/core';
import { type DiTConfig, expectedTensors, positionEmbedding } from '@vq4dit/dit';

/** The one weight that is not trained. */
export const POSITIONS = 'pos_embed';

/** Standard deviation of the embedding tables and of the timestep's MLP. */
const EMBEDDING_DEVIATION = 0.02;

/**
 * The weights that training starts from, by name: Xavier's uniform distribution for linear layers and
 * the patch embedding, normal numbers for label table and timestep MLP, and zero for biases, for
 * every modulation and for the last layer, so that each block starts as the identity (Peebles & Xie
 * 2022, section 3.2 on adaLN-Zero, and the appendix on implementation). A tensor depends on the seed
 * and its own name only.
 */
export function initialWeights(config: DiTConfig, seed: number): Map<string, Float32Array> {
  const root = new RandomStream(seed, 'train-demo', 'initial');
  const weights = new Map<string, Float32Array>();
  for (const [name, shape] of expectedTensors(config)) {
    const values = name === POSITIONS ? positionEmbedding(config) : new Float32Array(sizeOf(shape));
    if (isNormal(name)) fillNormal(values, root.derive(name));
    else if (isXavier(name)) fillXavier(values, shape, root.derive(name));
    weights.set(name, values);
  }
  return weights;
}

const isNormal = (name: string) => /^(y_embedder|t_embedder)\..*weight$/.test(name);

const isXavier = (name: string) =>
  /\.(attn\.qkv|attn\.proj|mlp\.fc1|mlp\.fc2)\.weight$|^x_embedder\.proj\.weight$/.test(name);

function fillNormal(values: Float32Array, random: RandomStream): void {
  for (let i = 0; i < values.length; i++) values[i] = EMBEDDING_DEVIATION * random.normal();
}

/** Uniform on +-sqrt(6 / (in + out)) (Glorot & Bengio 2010, equation 16); shape [out, ...in]. */
function fillXavier(values: Float32Array, shape: Shape, random: RandomStream): void {
  const out = shape[0]!;
  const limit = Math.sqrt(6 / (out + values.length / out));
  for (let i = 0; i < values.length; i++) values[i] = limit * (2 * random.uniform() - 1);
}
