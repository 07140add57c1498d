import type { PackedWeight } from '../../nn/packed-weight.ts';
import type { TensorOps } from '../../tensor/ops.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/**
 * Finds a parameter by its name in the original checkpoints, `blocks.0.mlp.fc1.weight` for instance.
 * A model reads every weight through one, so that single weights can be replaced.
 */
export interface WeightLookup {
  (name: string): Tensor;
  /** The matrix, where it is kept packed; such a matrix cannot be had as a tensor. */
  readonly packed?: (name: string) => PackedWeight | undefined;
  /** The weight as a tensor of the scope of `ops`, where it is kept on the host until then. */
  readonly upload?: (ops: TensorOps, name: string) => Tensor | undefined;
}

/** The same weights except those that `changed` holds. */
export function replaceWeights(
  lookup: WeightLookup,
  changed: ReadonlyMap<string, Tensor>,
): WeightLookup {
  const { packed, upload } = lookup;
  return Object.assign((name: string) => changed.get(name) ?? lookup(name), {
    ...(packed && { packed: (name: string) => (changed.has(name) ? undefined : packed(name)) }),
    ...(upload && {
      upload: (ops: TensorOps, name: string) => (changed.has(name) ? undefined : upload(ops, name)),
    }),
  });
}

/** Is shown the input [..., columns] of every linear layer, by the layer's name without `.weight`. */
export type LayerObserver = (layer: string, input: Tensor) => void;

/** A model seen as a stack of blocks, each computed from whatever weights the lookup gives. */
export interface BlockStack {
  readonly blockCount: number;
  /** Names, without `.weight`, of the matrices of block i that are calibrated. */
  layersOf(block: number): readonly string[];
  /** Output of block i. tokens [N, T, D], conditioning [N, D] -> [N, T, D]. Must be differentiable. */
  forwardBlock(
    ops: TensorOps,
    block: number,
    tokens: Tensor,
    conditioning: Tensor,
    weights: WeightLookup,
  ): Tensor;
  /** The floating-point parameters, for those that are not calibrated. */
  readonly weights: WeightLookup;
}

/** One timestep of the floating-point model. The tensors live until the next step is asked for. */
export interface CalibrationStep {
  readonly timestep: number;
  /** Input of block 0, [N, T, D]. */
  readonly tokens: Tensor;
  readonly conditioning: Tensor;
  /** Output of every block, [N, T, D] each. */
  readonly blockOutputs: readonly Tensor[];
}

/** Is shown what the blocks of the floating-point model compute while a trajectory is walked. */
export interface BlockWatcher {
  /** Called before each linear layer of a block. */
  readonly observe: LayerObserver;
  /** Awaited after each block, so that what was made of its inputs can be freed before the next. */
  afterBlock(): Promise<void>;
}

/** Walks sampling trajectories of the floating-point model from noise and random labels: no data. */
export interface CalibrationSource {
  readonly stepsPerTrajectory: number;
  /**
   * The same steps for the same index, whatever was walked before.
   *
   * @param watcher is shown the blocks of a step before that step is yielded
   */
  trajectory(ops: TensorOps, index: number, watcher?: BlockWatcher): AsyncIterable<CalibrationStep>;
}
