import type { TensorOps } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ChannelRanges } from '../scale-reparametrization.ts';
import type { BlockStack, CalibrationSource, CalibrationStep } from './model.ts';

/** Which inputs {@link collectGrams} and {@link collectRanges} watch. */
export interface StatisticsJob {
  readonly stack: BlockStack;
  readonly source: CalibrationSource;
  /** Trajectories to walk, from number 0. */
  readonly trajectories: number;
  /** Layers that are watched. Default: all that the stack calibrates. */
  readonly layers?: ReadonlySet<string>;
  /** Called after each step of a trajectory. */
  onStep?(done: number, total: number): void;
}

/**
 * The mean of x x^T over the inputs x of every watched layer, [columns, columns], along sampling
 * trajectories of the floating-point model; every token of every image and timestep counts alike.
 * Memory: 8 columns^2 bytes for each layer.
 *
 * @returns by layer name
 * @throws InterruptedError as the source does
 */
export async function collectGrams(
  ops: TensorOps,
  job: StatisticsJob,
): Promise<Map<string, Float64Array>> {
  const grams = new Map<string, Float64Array>();
  const share = 1 / (job.trajectories * job.source.stepsPerTrajectory);
  const meanProduct = (s: TensorOps, rows: Tensor) => [
    s.mul(s.matmul(rows, rows, { transposeA: true }), s.scalar(1 / rows.shape[0]!)),
  ];
  await watchInputs(ops, job, meanProduct, (layer, [product]) => {
    const sum = grams.get(layer) ?? new Float64Array(product!.length);
    for (let i = 0; i < sum.length; i++) sum[i]! += product![i]! * share;
    grams.set(layer, sum);
  });
  return grams;
}

/**
 * The least and the greatest value of every input channel of every watched layer, along sampling
 * trajectories of the floating-point model.
 *
 * @returns by layer name
 * @throws InterruptedError as the source does
 */
export async function collectRanges(
  ops: TensorOps,
  job: StatisticsJob,
): Promise<Map<string, ChannelRanges>> {
  const ranges = new Map<string, ChannelRanges>();
  const extremes = (s: TensorOps, rows: Tensor) => [s.max(s.neg(rows), 0), s.max(rows, 0)];
  await watchInputs(ops, job, extremes, (layer, [negated, greatest]) => {
    const low = negated!.map((value) => -value);
    const range = ranges.get(layer);
    if (!range) return ranges.set(layer, { low, high: Float32Array.from(greatest!) });
    for (let i = 0; i < low.length; i++) {
      range.low[i] = Math.min(range.low[i]!, low[i]!);
      range.high[i] = Math.max(range.high[i]!, greatest![i]!);
    }
    return undefined;
  });
  return ranges;
}

/**
 * Walks the trajectories and runs every block with watched layers on its floating-point input.
 *
 * @param reduce makes small tensors of a layer's input [tokens, columns]
 * @param add is given their values, step by step
 */
async function watchInputs(
  ops: TensorOps,
  { stack, source, trajectories, layers, onStep }: StatisticsJob,
  reduce: (s: TensorOps, rows: Tensor) => readonly Tensor[],
  add: (layer: string, values: readonly Float32Array[]) => void,
): Promise<void> {
  const total = trajectories * source.stepsPerTrajectory;
  const watched = Array.from({ length: stack.blockCount }, (_, block) => {
    const names = stack.layersOf(block).filter((name) => layers?.has(name) ?? true);
    return new Set(names);
  });
  const watchBlock = (step: CalibrationStep, block: number) =>
    ops.scope(async (s) => {
      const found: [string, readonly Tensor[]][] = [];
      const observe = (layer: string, input: Tensor) => {
        if (!watched[block]!.has(layer)) return;
        found.push([layer, reduce(s, s.reshape(input, [-1, input.shape.at(-1)!]))]);
      };
      const input = block === 0 ? step.tokens : step.blockOutputs[block - 1]!;
      stack.forwardBlock(s, block, input, step.conditioning, stack.weights, observe);
      for (const [layer, tensors] of found) {
        const values: Float32Array[] = [];
        for (const tensor of tensors) values.push(await s.read(tensor));
        add(layer, values);
      }
    });
  let done = 0;
  for (let t = 0; t < trajectories; t++) {
    for await (const step of source.trajectory(ops, t)) {
      for (let block = 0; block < stack.blockCount; block++) {
        if (watched[block]!.size > 0) await watchBlock(step, block);
      }
      onStep?.(++done, total);
    }
  }
}
