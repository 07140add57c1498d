import { Tensor } from './tensor.ts';

/** Collects the tensors made through one `TensorOps`, so that they can be freed together. */
export class Scope {
  private readonly tensors = new Set<Tensor>();

  track(tensor: Tensor): void {
    this.tensors.add(tensor);
  }

  /** Disposes all that `kept` does not reach; hands what it does reach to `parent`. */
  end(kept: unknown, parent: Scope | undefined): void {
    const survivors = new Set<Tensor>();
    collectTensors(kept, survivors);
    for (const tensor of this.tensors) {
      if (tensor.disposed) continue;
      if (!survivors.has(tensor)) tensor.dispose();
      else parent?.track(tensor);
    }
    this.tensors.clear();
  }
}

/** Finds tensors in a tensor, an array, a map or a plain object, nested to any depth. */
function collectTensors(value: unknown, into: Set<Tensor>): void {
  if (value instanceof Tensor) into.add(value);
  else if (Array.isArray(value)) for (const item of value) collectTensors(item, into);
  else if (value instanceof Map) for (const item of value.values()) collectTensors(item, into);
  else if (isPlainObject(value))
    for (const item of Object.values(value)) collectTensors(item, into);
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false;
  const prototype = Object.getPrototypeOf(value);
  return prototype === Object.prototype || prototype === null;
}
