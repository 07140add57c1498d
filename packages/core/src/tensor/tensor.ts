import { TensorLifetimeError } from '../errors.ts';
import type { Backend } from './backend.ts';
import { type DType, formatShape, type Shape, sizeOf } from './shape.ts';

/** The smallest and largest value that an int32 tensor can hold, known on the host. */
export interface IndexRange {
  readonly min: number;
  readonly max: number;
}

/** A device buffer and the number of tensors that view it (reshapes share their buffer). */
interface Storage {
  readonly handle: unknown;
  readonly bytes: number;
  views: number;
}

/** One running backend and the account of what lives on it. */
export class Runtime {
  readonly backend: Backend;
  liveTensors = 0;
  liveBytes = 0;
  private nextId = 1;

  constructor(backend: Backend) {
    this.backend = backend;
  }

  /** Takes ownership of a handle that a kernel or an upload returned. */
  adopt(handle: unknown, shape: Shape, dtype: DType, indexRange?: IndexRange): Tensor {
    const storage: Storage = { handle, bytes: 4 * sizeOf(shape), views: 0 };
    this.liveBytes += storage.bytes;
    return this.view(storage, shape, dtype, indexRange);
  }

  /** A further tensor over the buffer of `x`; both must be disposed. */
  alias(x: Tensor, shape: Shape = x.shape): Tensor {
    return this.view(x.storage, shape, x.dtype, x.indexRange);
  }

  private view(storage: Storage, shape: Shape, dtype: DType, range?: IndexRange): Tensor {
    storage.views++;
    this.liveTensors++;
    return new Tensor(this, this.nextId++, storage, Object.freeze([...shape]), dtype, range);
  }

  release(storage: Storage): void {
    this.liveTensors--;
    if (--storage.views > 0) return;
    this.liveBytes -= storage.bytes;
    this.backend.free(storage.handle);
  }
}

/**
 * An immutable array on a backend. It has no methods but its own disposal: operations live on
 * `TensorOps`. A tensor must be disposed exactly once, by hand, with `using`, or by a scope.
 */
export class Tensor implements Disposable {
  readonly id: number;
  readonly shape: Shape;
  readonly dtype: DType;
  /** Set for int32 tensors: lets index bounds be checked on the host, without a read. */
  readonly indexRange: IndexRange | undefined;
  /** @internal */
  readonly runtime: Runtime;
  /** @internal */
  readonly storage: Storage;
  private alive = true;

  /** @internal */
  constructor(
    runtime: Runtime,
    id: number,
    storage: Storage,
    shape: Shape,
    dtype: DType,
    indexRange: IndexRange | undefined,
  ) {
    this.runtime = runtime;
    this.id = id;
    this.storage = storage;
    this.shape = shape;
    this.dtype = dtype;
    this.indexRange = indexRange;
  }

  /** True once this tensor has been freed; other tensors over its buffer may be alive. */
  get disposed(): boolean {
    return !this.alive;
  }

  /** @throws TensorLifetimeError if the tensor was disposed before. */
  dispose(): void {
    this.assertAlive('dispose');
    this.alive = false;
    this.runtime.release(this.storage);
  }

  /** Disposes the tensor unless that was done before, so `using` never throws. */
  [Symbol.dispose](): void {
    if (this.alive) this.dispose();
  }

  /** @internal */
  assertAlive(where: string): void {
    if (!this.alive) {
      throw new TensorLifetimeError(
        `${where}: tensor ${this.id} of shape ${formatShape(this.shape)} was disposed before; keep it in an outer scope if it is still needed.`,
      );
    }
  }
}
