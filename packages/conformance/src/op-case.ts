import type {
  Backend,
  DType,
  FusedKernels,
  RandomStream,
  RequiredKernels,
  Shape,
  Tensor,
  TensorOps,
  VqError,
} from '@vq4dit/core';
import type * as fc from 'fast-check';
import type { Comparator, Values } from './comparators.ts';
import type { HostTensor } from './host-tensor.ts';
import type { Limits } from './limits.ts';

/** What a case exercises: a kernel, moving data in and out, reshape, or the backend as such. */
export type CaseOp =
  | keyof RequiredKernels<unknown>
  | keyof FusedKernels<unknown>
  | 'upload'
  | 'reshape'
  | 'backend';

/** One expected output. */
export interface Expected {
  readonly shape: Shape;
  readonly dtype: DType;
  /** Computed in float64 from the inputs. */
  readonly values: Values;
  readonly compare: Comparator;
}

/** One computation: inputs, what to run on them, and what must come out. */
export interface Trial {
  readonly inputs: readonly HostTensor[];
  /** Runs once; the kit frees inputs and outputs. `inputs` are in the order of the list above. */
  run(ops: TensorOps, inputs: readonly Tensor[]): readonly Tensor[];
  /** One entry per output, in its order. Called after `run`. */
  expected(): readonly Expected[];
  /** Printed with a failed property. */
  readonly description?: string;
}

interface CaseBase {
  /** Unique; `op(parameters)`. */
  readonly id: string;
  readonly op: CaseOp;
  /** Which of the `UNARY_OPS`, `BINARY_OPS` or reductions, where the kernel has several. */
  readonly variant?: string;
  /** False: with core's composition also where the backend has a fused kernel. Default true. */
  readonly fused?: boolean;
}

/** One fixed computation; random data comes from a stream named after the case. */
export interface ValueCase extends CaseBase {
  readonly kind: 'value';
  /** The computation, with its random data drawn from `rng`. */
  trial(rng: RandomStream): Trial;
}

/** Many random computations; fast-check finds a small one that fails. */
export interface PropertyCase extends CaseBase {
  readonly kind: 'property';
  readonly trials: fc.Arbitrary<Trial>;
}

/** A call that core must refuse before any kernel runs. */
export interface ErrorCase extends CaseBase {
  readonly kind: 'error';
  readonly error: new (message?: string) => VqError;
  readonly message: RegExp;
  readonly inputs: readonly HostTensor[];
  /** Makes the illegal call; its result, if any, is awaited. */
  run(ops: TensorOps, inputs: readonly Tensor[]): unknown;
}

/** What a {@link CheckCase} may look at. */
export interface CheckContext {
  readonly backend: Backend;
  readonly ops: TensorOps;
  readonly limits: Limits;
  /** Kernels called so far by this case. */
  kernelCalls(): number;
}

/** Anything else. Resolves to undefined if it holds, else to what does not. */
export interface CheckCase extends CaseBase {
  readonly kind: 'check';
  /** Undefined where it holds, else one line on what does not. A throw fails the case, too. */
  check(context: CheckContext): Promise<string | undefined>;
}

/** A row of the table; `kind` tells which. */
export type OpCase = ValueCase | PropertyCase | ErrorCase | CheckCase;

/** `op(a=1,b=2,flag)`: numbers and texts by name, flags where they are set, shapes as 2x3. */
export function caseId(
  name: string,
  parameters: Readonly<Record<string, number | string | boolean | Shape>>,
): string {
  const parts = Object.entries(parameters).flatMap(([key, value]) => {
    if (value === false) return [];
    if (value === true) return [key];
    return [`${key}=${typeof value === 'object' ? value.join('x') || 'scalar' : value}`];
  });
  return `${name}(${parts.join(',')})`;
}

/** The shape written as in a case id: `2x3`, `scalar`. */
export function dims(text: string): number[] {
  return text === 'scalar' ? [] : text.split('x').map(Number);
}
