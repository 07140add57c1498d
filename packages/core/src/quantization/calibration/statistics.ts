import { ArgumentError } from '../../errors.ts';
import type { TensorOps } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';
import type { ChannelRanges } from '../scale-reparametrization.ts';
import type { BlockStack, BlockWatcher, CalibrationSource } from './model.ts';

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
 * @throws ArgumentError when the source does not show the inputs of a layer
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
 * @throws ArgumentError when the source does not show the inputs of a layer
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
 * Walks the trajectories and watches the layers while the floating-point model's own pass runs: no
 * block is computed a second time for its statistics. Device memory: what `reduce` makes of one block.
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
  const watched = layers ?? calibratedLayers(stack);
  const total = trajectories * source.stepsPerTrajectory;
  let done = 0;
  await ops.scope(async (s) => {
    for (let t = 0; t < trajectories; t++) {
      const seen = new Set<string>();
      const found: [string, readonly Tensor[]][] = [];
      const watcher: BlockWatcher = {
        observe(layer, input) {
          if (!watched.has(layer)) return;
          const rows = [-1, input.shape.at(-1)!];
          found.push([layer, s.scope((o) => reduce(o, o.reshape(input, rows)))]);
        },
        async afterBlock() {
          for (const [layer, tensors] of found.splice(0)) {
            const values: Float32Array[] = [];
            for (const tensor of tensors) {
              values.push(await s.read(tensor));
              tensor.dispose();
            }
            add(layer, values);
            seen.add(layer);
          }
        },
      };
      for await (const _ of source.trajectory(ops, t, watcher)) {
        checkAllSeen(watched, seen);
        seen.clear();
        onStep?.(++done, total);
      }
    }
  });
}

function calibratedLayers(stack: BlockStack): ReadonlySet<string> {
  const blocks = Array.from({ length: stack.blockCount }, (_, block) => stack.layersOf(block));
  return new Set(blocks.flat());
}

function checkAllSeen(watched: ReadonlySet<string>, seen: ReadonlySet<string>): void {
  for (const layer of watched) {
    if (seen.has(layer)) continue;
    throw new ArgumentError(
      `The calibration source did not show the inputs of layer ${layer}; its trajectory must call the watcher that it is given.`,
    );
  }
}
