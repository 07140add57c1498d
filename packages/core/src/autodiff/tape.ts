import { ShapeError } from '../errors.ts';
import type { TensorOps } from '../tensor/ops.ts';
import { formatShape, type Shape, sizeOf } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import type { Recorder, VjpRule } from './rule.ts';

interface Step {
  readonly rule: VjpRule<unknown>;
  readonly attrs: unknown;
  readonly inputIds: readonly number[];
  readonly inputShapes: readonly Shape[];
  readonly needs: readonly boolean[];
  readonly outputId: number;
  /** Own references to what the rule wants to see again; freed with the tape. */
  readonly kept: ReadonlyMap<number, Tensor>;
  readonly output: Tensor | undefined;
}

/**
 * Reverse-mode automatic differentiation. Only operations that depend on a leaf are recorded, and
 * only the tensors that their gradient rules ask for stay in memory.
 */
export class Tape implements Recorder, Disposable {
  /** Operations that are recorded when they depend on a leaf. */
  readonly ops: TensorOps;
  private readonly base: TensorOps;
  private readonly steps: Step[] = [];
  private readonly tracked = new Set<number>();

  /** Records what is computed by {@link Tape.ops} from any of `leaves`, which stay the caller's. */
  constructor(ops: TensorOps, leaves: readonly Tensor[]) {
    this.base = ops.withoutRecording();
    this.ops = this.base.withRecorder(this);
    for (const leaf of leaves) this.tracked.add(leaf.id);
  }

  /** Whether `x` is a leaf or was computed from one while recording. */
  isTracked(x: Tensor): boolean {
    return this.tracked.has(x.id);
  }

  /** Adds one operation and keeps its own references to what `rule` asks for. */
  record<A>(rule: VjpRule<A>, inputs: readonly Tensor[], output: Tensor, attrs: A): void {
    const needs = inputs.map((x) => this.isTracked(x));
    const keep = rule.keep(needs);
    const own = (x: Tensor) => x.runtime.alias(x);
    this.tracked.add(output.id);
    this.steps.push({
      rule: rule as VjpRule<unknown>,
      attrs,
      inputIds: inputs.map((x) => x.id),
      inputShapes: inputs.map((x) => x.shape),
      needs,
      outputId: output.id,
      kept: new Map(keep.inputs.map((i) => [i, own(inputs[i]!)])),
      output: keep.output ? own(output) : undefined,
    });
  }

  /**
   * Gradients of a one-element `loss` for each leaf, zeros for a leaf it does not depend on.
   * The caller owns them. May be called once per tape: it frees what was kept as it goes.
   */
  gradients(loss: Tensor, leaves: readonly Tensor[]): Tensor[] {
    if (sizeOf(loss.shape) !== 1) {
      throw new ShapeError(
        `gradients: the loss has shape ${formatShape(loss.shape)}, not one element.`,
      );
    }
    const result = this.base.scope((ops) => {
      const grads = new Map<number, Tensor>([[loss.id, ops.fill(loss.shape, 1)]]);
      for (let step = this.steps.pop(); step; step = this.steps.pop()) {
        const grad = grads.get(step.outputId);
        if (grad) {
          backward(ops, step, grad, grads);
          if (!leaves.some((leaf) => leaf.id === step!.outputId)) {
            grads.delete(step.outputId);
            grad.dispose();
          }
        }
        release(step);
      }
      return leaves.map((leaf) => grads.get(leaf.id) ?? ops.fill(leaf.shape, 0));
    });
    return result;
  }

  /** Frees everything kept for the backward pass. */
  dispose(): void {
    for (const step of this.steps) release(step);
    this.steps.length = 0;
  }

  /** The same as {@link Tape.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function release(step: Step): void {
  for (const tensor of step.kept.values()) tensor.dispose();
  step.output?.dispose();
}

/** Runs one rule and adds its results to the gradients of the inputs. */
function backward(ops: TensorOps, step: Step, grad: Tensor, grads: Map<number, Tensor>): void {
  const results = ops.scope((inner) =>
    step.rule
      .vjp({
        ops: inner,
        grad,
        attrs: step.attrs,
        needs: step.needs,
        input: (i) => step.kept.get(i)!,
        inputShape: (i) => step.inputShapes[i]!,
        output: () => step.output!,
      })
      // A rule may hand `grad` (or one result twice) through: every entry gets its own reference.
      .map((result) => (result ? inner.alias(result) : undefined)),
  );
  for (const [i, result] of results.entries()) {
    if (!result) continue;
    const id = step.inputIds[i]!;
    const before = grads.get(id);
    if (!step.needs[i]) result.dispose();
    else if (!before) grads.set(id, result);
    else {
      grads.set(id, ops.add(before, result));
      before.dispose();
      result.dispose();
    }
  }
}

/**
 * The value and the gradients of `fn` for `leaves`; all other tensors made on the way are freed.
 *
 * @example const { loss, gradients } = withGradients(ops, [w], (o) => o.sum(o.square(w)));
 */
export function withGradients(
  ops: TensorOps,
  leaves: readonly Tensor[],
  fn: (ops: TensorOps) => Tensor,
): { loss: Tensor; gradients: Tensor[] } {
  using tape = new Tape(ops, leaves);
  return ops.scope((outer) => {
    const loss = tape.ops.scope(fn);
    const gradients = tape.gradients(loss, leaves);
    // The loss may have been handed to no scope: keep one reference that the outer scope manages.
    const kept = outer.alias(loss);
    loss.dispose();
    return { loss: kept, gradients };
  });
}
