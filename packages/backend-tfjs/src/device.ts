import type { DType, KernelTensor, OpQuery, Shape, Support } from '@vq4dit/core';
import type { HostValues, TensorInfo } from './tf.ts';

/** Data of a device that lies in this process's memory, so that a loop in TypeScript reaches it. */
export interface HostMemory {
  /** A new tensor with undefined contents. May move the heap: allocate first, take values after. */
  allocate(shape: Shape, dtype: DType): TensorInfo;
  /** The tensor's data itself, not a copy. Valid until the next allocation or kernel. */
  values(x: TensorInfo): HostValues;
}

/** One TensorFlow.js backend, reached either through the engine or directly. */
export interface TfDevice {
  /** The name under which TensorFlow.js knows it: `wasm`, `cpu`, `tensorflow`, `webgl`. */
  readonly name: string;
  /** Set where tensors lie in this process's memory. */
  readonly host?: HostMemory;
  /** Where sizes are limited: whether an operation fits. */
  supports?(query: OpQuery): Support;
  /** Runs one registered TensorFlow.js kernel; the caller owns the result. */
  run(kernel: string, inputs: Record<string, unknown>, attrs: object): TensorInfo;
  upload(data: HostValues, shape: Shape, dtype: DType): TensorInfo;
  /** The same data under another shape; give it back to `free` if `ownsViews`. */
  view(x: TensorInfo, shape: Shape): TensorInfo;
  readonly ownsViews: boolean;
  /** A copy of the data. */
  read(x: TensorInfo): Promise<HostValues>;
  free(x: TensorInfo): void;
  /** Tensors that TensorFlow.js itself counts as alive. */
  liveTensors(): number;
}

export type Kernel = KernelTensor<TensorInfo>;

/** Temporaries of one kernel call. All are freed at its end, except those that it returns. */
export class Work {
  readonly device: TfDevice;
  private readonly made: TensorInfo[] = [];

  constructor(device: TfDevice) {
    this.device = device;
  }

  /** An argument, in the shape that core sees or in another one of the same size. */
  input(x: Kernel, shape: Shape = x.shape): TensorInfo {
    return this.view(x.handle, shape);
  }

  view(x: TensorInfo, shape: Shape): TensorInfo {
    const view = this.device.view(x, shape);
    if (this.device.ownsViews) this.made.push(view);
    return view;
  }

  run(kernel: string, inputs: Record<string, unknown>, attrs: object = {}): TensorInfo {
    const out = this.device.run(kernel, inputs, attrs);
    this.made.push(out);
    return out;
  }

  upload(data: HostValues, shape: Shape, dtype: DType): TensorInfo {
    const out = this.device.upload(data, shape, dtype);
    this.made.push(out);
    return out;
  }

  scalar(value: number): TensorInfo {
    return this.upload(Float32Array.of(value), [], 'float32');
  }

  /** Takes over a tensor that somebody else made. */
  adopt(x: TensorInfo): TensorInfo {
    this.made.push(x);
    return x;
  }

  /** Frees one large temporary before the end. */
  release(x: TensorInfo): void {
    this.made.splice(this.made.indexOf(x), 1);
    this.device.free(x);
  }

  /** Frees everything but `kept`. */
  end(kept: readonly TensorInfo[]): void {
    for (const x of this.made) if (!kept.includes(x)) this.device.free(x);
  }
}

/** Runs `fn` and frees what it made, except the tensors it returns. */
export function withWork<T extends TensorInfo | readonly TensorInfo[]>(
  device: TfDevice,
  fn: (work: Work) => T,
): T {
  const work = new Work(device);
  let kept: readonly TensorInfo[] = [];
  try {
    const out = fn(work);
    kept = Array.isArray(out) ? out : [out as TensorInfo];
    return out;
  } finally {
    work.end(kept);
  }
}
