import type { DType, Shape } from '@vq4dit/core';
import { BackendUnavailableError, OutOfDeviceMemoryError } from '@vq4dit/core';
import type { HostMemory, TfDevice } from './device.ts';
import type { HostValues, TensorInfo, Tf } from './tf.ts';

/** What the adapter uses of `BackendWasm` of `@tensorflow/tfjs-backend-wasm`. */
interface WasmBackend {
  makeOutput(shape: Shape, dtype: DType): TensorInfo;
  typedArrayFromHeap(x: TensorInfo): HostValues;
  getMemoryOffset(dataId: object): number;
}

/** What the adapter uses of `MathBackendCPU` of `@tensorflow/tfjs-backend-cpu`. */
interface CpuBackend {
  makeTensorInfo(shape: Shape, dtype: DType, values: HostValues): TensorInfo;
  readonly data: { get(dataId: object): { readonly values: HostValues } };
}

/**
 * A backend in this process's memory, called without the engine. The engine has one current
 * backend for the whole process, and changing it takes half a millisecond on wasm, since all
 * kernels are set up again. Registered kernels can be called on a named backend instead, which is
 * also twice as fast for small tensors, and lets two backends work side by side.
 *
 * The backend must have been current once, so that its kernels are set up.
 */
export class DirectDevice implements TfDevice {
  readonly name: string;
  readonly host: HostMemory;
  readonly ownsViews = false;
  private readonly tf: Tf;
  private readonly backend: ReturnType<Tf['findBackend']>;
  private readonly kernels = new Map<string, NonNullable<ReturnType<Tf['getKernel']>>>();
  private readonly check: (x: TensorInfo) => TensorInfo;

  constructor(tf: Tf, name: 'cpu' | 'wasm') {
    this.tf = tf;
    this.name = name;
    this.backend = tf.findBackend(name);
    if (name === 'wasm') {
      const wasm = this.backend as unknown as WasmBackend;
      this.check = (x) => {
        if (isInHeap(wasm, x)) return x;
        throw new OutOfDeviceMemoryError(
          `The WebAssembly heap has no room for a tensor of shape [${x.shape.join(', ')}]; use smaller batches or another backend.`,
        );
      };
      this.host = {
        allocate: (shape, dtype) => this.check(wasm.makeOutput([...shape], dtype)),
        values: (x) => wasm.typedArrayFromHeap(x),
      };
    } else {
      const cpu = this.backend as unknown as CpuBackend;
      this.check = (x) => x;
      this.host = {
        allocate: (shape, dtype) => cpu.makeTensorInfo([...shape], dtype, zeros(shape, dtype)),
        values: (x) => cpu.data.get(x.dataId).values,
      };
    }
  }

  run(kernel: string, inputs: Record<string, unknown>, attrs: object): TensorInfo {
    let config = this.kernels.get(kernel);
    if (config === undefined) {
      config = this.tf.getKernel(kernel, this.name);
      if (config === undefined) {
        throw new BackendUnavailableError(
          `The TensorFlow.js backend "${this.name}" has no kernel "${kernel}"; use version 4.22 with all kernels registered.`,
        );
      }
      this.kernels.set(kernel, config);
    }
    type Call = Parameters<typeof config.kernelFunc>[0];
    const call = { inputs, attrs, backend: this.backend } as unknown as Call;
    return this.check(config.kernelFunc(call) as TensorInfo);
  }

  upload(data: HostValues, shape: Shape, dtype: DType): TensorInfo {
    const x = this.host.allocate(shape, dtype);
    this.host.values(x).set(data);
    return x;
  }

  view(x: TensorInfo, shape: Shape): TensorInfo {
    return { dataId: x.dataId, shape: shape as number[], dtype: x.dtype };
  }

  async read(x: TensorInfo): Promise<HostValues> {
    return this.host.values(x).slice();
  }

  free(x: TensorInfo): void {
    this.backend.disposeData(x.dataId);
  }

  liveTensors(): number {
    return this.backend.numDataIds();
  }
}

function zeros(shape: Shape, dtype: DType): HostValues {
  const size = shape.reduce((a, b) => a * b, 1);
  return dtype === 'int32' ? new Int32Array(size) : new Float32Array(size);
}

/**
 * TensorFlow.js does not look at what `malloc` returns. When the heap is full that is 0, or (seen
 * with 3 of 4 GiB in use) an address near the end of the heap.
 */
function isInHeap(wasm: WasmBackend, x: TensorInfo): boolean {
  if (wasm.getMemoryOffset(x.dataId) === 0) return false;
  try {
    wasm.typedArrayFromHeap(x);
    return true;
  } catch (error) {
    if (error instanceof RangeError) return false;
    throw error;
  }
}
