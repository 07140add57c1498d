import { TensorLifetimeError } from '../errors.ts';
import { Tensor } from './tensor.ts';

/** Collects the tensors made through one `TensorOps`, so that they can be freed together. */
export class Scope {
  private readonly tensors = new Set<Tensor>();
  private ended = false;

  /** @throws TensorLifetimeError if the scope has ended; the tensor, which nobody would free, is freed */
  track(tensor: Tensor): void {
    if (this.ended) {
      tensor.dispose();
      throw new TensorLifetimeError(
        'A scope made a tensor after it had ended; await all asynchronous work inside the scope.',
      );
    }
    this.tensors.add(tensor);
  }

  /**
   * Disposes all that `kept` does not reach; hands what it does reach to `parent`.
   *
   * @throws TensorLifetimeError if `parent` has ended before
   */
  end(kept: unknown, parent: Scope | undefined): void {
    const survivors = new Set<Tensor>();
    collectTensors(kept, survivors, new Set());
    this.ended = true;
    let failure: unknown;
    for (const tensor of this.tensors) {
      if (tensor.disposed) continue;
      if (!survivors.has(tensor)) tensor.dispose();
      else {
        try {
          parent?.track(tensor);
        } catch (error) {
          failure = error;
        }
      }
    }
    this.tensors.clear();
    if (failure !== undefined) throw failure;
  }
}

/** Finds tensors in a tensor, an array, a map or a plain object, nested to any depth. */
function collectTensors(value: unknown, into: Set<Tensor>, seen: Set<object>): void {
  if (typeof value !== 'object' || value === null || seen.has(value)) return;
  seen.add(value);
  if (value instanceof Tensor) into.add(value);
  else if (Array.isArray(value)) for (const item of value) collectTensors(item, into, seen);
  else if (value instanceof Map)
    for (const item of value.values()) collectTensors(item, into, seen);
  else if (isPlainObject(value))
    for (const item of Object.values(value)) collectTensors(item, into, seen);
}

function isPlainObject(value: object): boolean {
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
