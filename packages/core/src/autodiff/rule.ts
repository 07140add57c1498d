import type { TensorOps } from '../tensor/ops.ts';
import type { Shape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** What a rule sees when its operation is differentiated. */
export interface VjpContext<A> {
  readonly ops: TensorOps;
  /** Gradient of the loss for the operation's output; has the output's shape. */
  readonly grad: Tensor;
  readonly attrs: A;
  /** Which inputs a gradient is wanted for. */
  readonly needs: readonly boolean[];
  /** An input that {@link VjpRule.keep} asked for. */
  input(index: number): Tensor;
  /** Shape of any input, whether it was kept or not. */
  inputShape(index: number): Shape;
  /** The output, if {@link VjpRule.keep} asked for it. */
  output(): Tensor;
}

/** The vector-Jacobian product of one operation: gradient of its output to gradients of its inputs. */
export interface VjpRule<A = unknown> {
  readonly name: string;
  /** What must stay in memory until the backward pass; everything else may be freed. */
  keep(needs: readonly boolean[]): { readonly inputs: readonly number[]; readonly output: boolean };
  /** One entry per input; undefined where none is needed. May return `grad` itself. */
  vjp(context: VjpContext<A>): readonly (Tensor | undefined)[];
}

/** Receives every differentiable operation that runs, in order. */
export interface Recorder {
  /** Whether `x` is a leaf or depends on one. */
  isTracked(x: Tensor): boolean;
  /** Called for operations with a tracked input only. `output` is tracked from then on. */
  record<A>(rule: VjpRule<A>, inputs: readonly Tensor[], output: Tensor, attrs: A): void;
}

const KEEP_NOTHING = { inputs: [], output: false } as const;
const KEEP_OUTPUT = { inputs: [], output: true } as const;

export const keepNothing = () => KEEP_NOTHING;
export const keepOutput = () => KEEP_OUTPUT;
export const keepInputs =
  (...inputs: number[]) =>
  () => ({ inputs, output: false });
