import type { VjpRule } from '../autodiff/rule.ts';
import type { FusedKernels, KernelTensor } from './backend.ts';
import type { TensorOps } from './ops.ts';
import type { DType, Shape } from './shape.ts';
import type { IndexRange, Tensor } from './tensor.ts';

/** One output of a composed operation. */
export interface OutputSpec {
  readonly shape: Shape;
  /** Given for int32 outputs, the numbers they hold; all others are float32. */
  readonly range?: IndexRange;
}

/**
 * An operation that core composes from the required kernels and that a backend may replace by one
 * fused kernel. The conformance kit holds both against the same formula.
 */
export interface ComposedOp<A> {
  readonly name: keyof FusedKernels<unknown>;
  /** Element type of each input, checked before anything runs; float32 where left out. */
  readonly dtypes?: readonly DType[];
  /** Which input holds row numbers of which other; their range is checked before anything runs. */
  readonly rowNumbers?: { readonly input: number; readonly of: number };
  /** Checks the inputs' shapes and gives those of the outputs. @throws ShapeError */
  outputs(shapes: readonly Shape[], attrs: A): readonly OutputSpec[];
  /** The outputs, from required kernels alone. `ops` does not record; intermediates are freed. */
  compose(ops: TensorOps, inputs: readonly Tensor[], attrs: A): Tensor[];
  /** Calls the backend's kernel; only where it has one. Gives one handle per output. */
  fused(kernels: FusedKernels<unknown>, inputs: readonly KernelTensor[], attrs: A): unknown[];
  /** Only for operations with one output; without a rule the operation cannot be differentiated. */
  readonly rule?: VjpRule<A>;
}

/** The view of `x` as [rows, n], n being its last dimension (a scalar is [1, 1]). */
export function asRows(x: KernelTensor): KernelTensor {
  const n = x.shape.at(-1) ?? 1;
  const rows = x.shape.reduce((a, b) => a * b, 1) / n;
  return { ...x, shape: [rows, n] };
}
