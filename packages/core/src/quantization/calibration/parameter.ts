import { type RmspropOptions, rmspropStep } from '../../nn/rmsprop.ts';
import type { TensorOps } from '../../tensor/ops.ts';
import type { Shape } from '../../tensor/shape.ts';
import type { Tensor } from '../../tensor/tensor.ts';

/** A trained tensor and the running mean of its squared gradients, on the host between runs. */
export interface ParameterState {
  readonly value: Float32Array;
  readonly square: Float32Array;
}

/** A trained tensor with its RMSprop state on the device. */
export class Parameter implements Disposable {
  value: Tensor;
  private square: Tensor;

  constructor(ops: TensorOps, state: ParameterState, shape: Shape) {
    this.value = ops.tensor(state.value, shape);
    this.square = ops.tensor(state.square, shape);
  }

  /** A parameter that has not been trained yet. */
  static start(ops: TensorOps, value: Float32Array, shape: Shape): Parameter {
    return new Parameter(ops, { value, square: new Float32Array(value.length) }, shape);
  }

  /** One RMSprop step; the old tensors are freed. */
  step(ops: TensorOps, grad: Tensor, options: RmspropOptions): void {
    const next = rmspropStep(ops, this.value, grad, this.square, options);
    this[Symbol.dispose]();
    this.value = next.value;
    this.square = next.square;
  }

  /** Replaces the value and keeps the RMSprop state. */
  set(value: Tensor): void {
    this.value.dispose();
    this.value = value;
  }

  async state(ops: TensorOps): Promise<ParameterState> {
    return { value: await ops.read(this.value), square: await ops.read(this.square) };
  }

  [Symbol.dispose](): void {
    this.value.dispose();
    this.square.dispose();
  }
}
