import {
  meanSquaredError,
  RandomStream,
  replaceWeights,
  Tape,
  type Tensor,
  type TensorOps,
} from '@vq4dit/core';
import { type DiTModel, ditBlockStack, streamNoise, walkTrajectory } from '@vq4dit/dit';

/** What {@link weightGradients} looks at. */
export interface GradientOptions {
  /** Quantized layers, without `.weight`. */
  readonly layers: readonly string[];
  /** Sampling steps of the trajectory. */
  readonly steps: number;
  /** One image per label. */
  readonly labels: readonly number[];
  /** Its random numbers are never those of a calibration, whatever the seed. */
  readonly seed: number | bigint;
  readonly signal?: AbortSignal;
  /** Called after each timestep. */
  readonly onStep?: (done: number, total: number) => void;
}

/**
 * Gradients of the block-output error (equation 8 of the VQ4DiT paper) for the quantized weight
 * matrices, [rows, columns] each, summed over a sampling trajectory of the original. Each block is
 * given the original's input, so its gradient is its own.
 *
 * They take as much host memory as the layers themselves.
 */
export async function weightGradients(
  ops: TensorOps,
  original: DiTModel,
  quantized: DiTModel,
  options: GradientOptions,
): Promise<Map<string, Float32Array>> {
  const { layers, steps, labels, seed, signal } = options;
  const stack = ditBlockStack(quantized, new Set(layers));
  const noise = streamNoise(new RandomStream(seed, 'evaluation').derive('weight-gradients'));
  const walk = walkTrajectory(ops, original, { labels, noise, steps, ...(signal && { signal }) });
  const sums = new Map<string, Float32Array>();
  for await (const { stepIndex, tokens, conditioning, blockOutputs } of walk) {
    for (let block = 0; block < stack.blockCount; block++) {
      const names = stack.layersOf(block);
      if (names.length === 0) continue;
      const leaves = names.map((name) => quantized.lookup(`${name}.weight`));
      const gradients = await ops.scope(async (s) => {
        using tape = new Tape(s, leaves);
        const changed = new Map(names.map((name, i) => [`${name}.weight`, leaves[i]!]));
        const loss: Tensor = tape.ops.scope((o) => {
          const input = block === 0 ? tokens : blockOutputs[block - 1]!;
          const weights = replaceWeights(quantized.lookup, changed);
          const own = stack.forwardBlock(o, block, input, conditioning, weights);
          return meanSquaredError(o, own, blockOutputs[block]!);
        });
        const grads = tape.gradients(loss, leaves);
        const read: Float32Array[] = [];
        for (const grad of grads) {
          read.push(await s.read(grad));
          grad.dispose();
        }
        return read;
      });
      names.forEach((name, i) => {
        const sum = sums.get(name);
        if (!sum) sums.set(name, gradients[i]!);
        else for (let j = 0; j < sum.length; j++) sum[j]! += gradients[i]![j]!;
      });
    }
    options.onStep?.(stepIndex + 1, steps);
  }
  return sums;
}
