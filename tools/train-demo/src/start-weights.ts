import { openModel } from '@vq4dit/checkpoint';
import { ArgumentError, sameShape } from '@vq4dit/core';
import { type DiTConfig, expectedTensors } from '@vq4dit/dit';
import { initialWeights } from './initial-weights.ts';

/** What a training starts from. */
export interface StartWeights {
  readonly weights: ReadonlyMap<string, Float32Array>;
  /** SHA-256 of the checkpoint that they come from; undefined for new ones. */
  readonly digest: string | undefined;
}

/**
 * New weights, or those of a trained model. A checkpoint has no moments of the optimizer, so Adam's
 * start from zero and the warm-up of the learning rate gives them time to settle.
 *
 * @param init path of the model to go on with
 * @throws ArgumentError where it is quantized or of another architecture
 * @throws VqError as `openModel`
 */
export async function startWeights(
  config: DiTConfig,
  seed: number,
  init?: string,
): Promise<StartWeights> {
  if (init === undefined) return { weights: initialWeights(config, seed), digest: undefined };
  const model = await openModel(init);
  try {
    if (model.kind !== 'checkpoint') {
      throw new ArgumentError(`${init} is quantized; --init takes a floating-point model.`);
    }
    const weights = new Map<string, Float32Array>();
    for (const [name, shape] of expectedTensors(config)) {
      if (!model.has(name) || !sameShape(model.entry(name).shape, shape)) {
        throw new ArgumentError(
          `${init} is of another architecture than the model to train (${name} differs); --init takes a model of the same.`,
        );
      }
      weights.set(name, await model.readFloat32(name));
    }
    return { weights, digest: await model.sha256() };
  } finally {
    await model.close();
  }
}
