import type { DType, Shape } from '@vq4dit/core';
import { BackendUnavailableError } from '@vq4dit/core';
import type { TfDevice } from './device.ts';
import type { HostValues, TensorInfo, Tf } from './tf.ts';

type Engine = ReturnType<Tf['engine']>;
type Tensor = ReturnType<Engine['makeTensor']>;

/** Any TensorFlow.js backend, through the engine: tfjs-node, WebGL, WebGPU. */
export class EngineDevice implements TfDevice {
  readonly name: string;
  readonly ownsViews = true;
  private readonly tf: Tf;

  constructor(tf: Tf, name: string) {
    this.tf = tf;
    this.name = name;
  }

  /** The engine, with this backend current: others in the process may have changed it. */
  protected engine(): Engine {
    if (this.tf.getBackend() !== this.name) {
      // For a backend that is running already this has its effect before it returns.
      void this.tf.setBackend(this.name);
      if (this.tf.getBackend() !== this.name) {
        throw new BackendUnavailableError(
          `TensorFlow.js did not switch back to its backend "${this.name}".`,
        );
      }
    }
    return this.tf.engine();
  }

  run(kernel: string, inputs: Record<string, unknown>, attrs: object): TensorInfo {
    type Inputs = Parameters<Engine['runKernel']>[1];
    type Attrs = Parameters<Engine['runKernel']>[2];
    return this.engine().runKernel(kernel, inputs as Inputs, attrs as Attrs) as TensorInfo;
  }

  upload(data: HostValues, shape: Shape, dtype: DType): TensorInfo {
    // A copy, because some backends keep the array that they are given.
    return this.engine().makeTensor(data.slice(), [...shape], dtype);
  }

  view(x: TensorInfo, shape: Shape): TensorInfo {
    return this.run('Reshape', { x }, { shape: [...shape] });
  }

  async read(x: TensorInfo): Promise<HostValues> {
    const values = await (x as Tensor).data();
    // `from`, because some backends give out the array that they keep, and because a cast may
    // leave the bytes of a boolean where float32 is declared.
    return x.dtype === 'int32' ? Int32Array.from(values) : Float32Array.from(values);
  }

  free(x: TensorInfo): void {
    (x as Tensor).dispose();
  }

  liveTensors(): number {
    return this.tf.engine().memory().numTensors;
  }
}
