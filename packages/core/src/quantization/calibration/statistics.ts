import type { TensorOps } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { BlockStack, CalibrationSource, CalibrationStep } from './model.ts';

/** What {@link collectGrams} watches. */
export interface GramJob {
  readonly stack: BlockStack;
  readonly source: CalibrationSource;
  /** Trajectories to walk, from number 0. */
  readonly trajectories: number;
  /** Called after each step of a trajectory. */
  onStep?(done: number, total: number): void;
}

/**
 * The mean of x x^T over the inputs x of every quantized layer, [columns, columns], along sampling
 * trajectories of the floating-point model; every token of every image and timestep counts alike.
 * Memory: 8 columns^2 bytes for each layer.
 *
 * @returns by layer name
 * @throws InterruptedError as the source does
 */
export async function collectGrams(
  ops: TensorOps,
  { stack, source, trajectories, onStep }: GramJob,
): Promise<Map<string, Float64Array>> {
  const grams = new Map<string, Float64Array>();
  const total = trajectories * source.stepsPerTrajectory;
  let done = 0;
  for (let t = 0; t < trajectories; t++) {
    for await (const step of source.trajectory(ops, t)) {
      for (let block = 0; block < stack.blockCount; block++) {
        await addBlock(ops, stack, step, block, grams, 1 / total);
      }
      onStep?.(++done, total);
    }
  }
  return grams;
}

/** Runs one block on its floating-point input and adds what its layers were given. */
function addBlock(
  ops: TensorOps,
  stack: BlockStack,
  step: CalibrationStep,
  block: number,
  grams: Map<string, Float64Array>,
  share: number,
): Promise<void> {
  const layers = new Set(stack.layersOf(block));
  return ops.scope(async (s) => {
    const products = new Map<string, Tensor>();
    const observe = (layer: string, input: Tensor) => {
      if (!layers.has(layer)) return;
      const columns = input.shape.at(-1)!;
      const rows = s.reshape(input, [-1, columns]); // [tokens, columns]
      const mean = s.mul(s.matmul(rows, rows, { transposeA: true }), s.scalar(1 / rows.shape[0]!));
      products.set(layer, mean);
    };
    const input = block === 0 ? step.tokens : step.blockOutputs[block - 1]!;
    stack.forwardBlock(s, block, input, step.conditioning, stack.weights, observe);
    for (const [layer, product] of products) {
      const values = await s.read(product);
      const sum = grams.get(layer) ?? new Float64Array(values.length);
      for (let i = 0; i < values.length; i++) sum[i]! += values[i]! * share;
      grams.set(layer, sum);
    }
  });
}
