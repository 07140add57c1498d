import type { DType, OpQuery, Shape, Support } from '@vq4dit/core';
import { DeviceLostError, OutOfDeviceMemoryError, sizeOf, UnsupportedOpError } from '@vq4dit/core';
import { EngineDevice } from '../engine-device.ts';
import type { HostValues, TensorInfo, Tf } from '../tf.ts';
import { OWN_KERNELS, type OwnKernel, programOf, type WebGlProgram } from './programs.ts';

/** The part of TensorFlow.js's WebGL backend that is used. */
interface WebGlBackend {
  /** Whether TensorFlow.js computes with these inputs on the host, because they are few and there. */
  shouldExecuteOnCPU(inputs: TensorInfo[]): boolean;
  getGPGPUContext(): { readonly gl: WebGl };
  runWebGLProgram(program: WebGlProgram, inputs: TensorInfo[], dtype: 'float32'): TensorInfo;
}

interface WebGl {
  readonly NO_ERROR: number;
  readonly OUT_OF_MEMORY: number;
  readonly CONTEXT_LOST_WEBGL: number;
  isContextLost(): boolean;
  getError(): number;
}

/** Integers are kept in float textures: up to here all of them are exact. */
const EXACT_INTEGERS = 2 ** 24;

/** Kernels that give another name to the same data. */
const SAME_DATA = ['Identity', 'Reshape'];

/** Bytes of new tensors between two questions to the driver whether memory has run out. */
const CHECK_BYTES = 2 ** 24;

/**
 * TensorFlow.js on WebGL. What it leaves to chance is decided here: it never asks whether the context
 * is lost or memory has run out (reads are then zeros), rounds large integers, and passes on what
 * GLSL leaves open.
 */
export class WebGlDevice extends EngineDevice {
  private readonly backend: WebGlBackend;
  private readonly gl: WebGl;
  /** The most elements of one tensor, where a texel holds four; some kernels put one into each. */
  private readonly maxElements: number;
  private uncheckedBytes = 0;
  /** Data with integers that a texture would round; until a kernel takes them there they are exact. */
  private readonly wide = new WeakSet<object>();

  constructor(tf: Tf) {
    super(tf, 'webgl');
    this.backend = tf.findBackend('webgl') as unknown as WebGlBackend;
    this.gl = this.backend.getGPGPUContext().gl;
    this.maxElements = 4 * tf.env().getNumber('WEBGL_MAX_TEXTURE_SIZE') ** 2;
  }

  /** Refuses tensors beyond a texture. */
  supports({ shapes }: OpQuery): Support {
    const large = shapes.find((shape) => sizeOf(shape) > this.maxElements);
    return large === undefined ? true : { reason: this.tooLarge(large) };
  }

  override run(kernel: string, inputs: Record<string, unknown>, attrs: object): TensorInfo {
    this.requireContext();
    const isWide = this.checkIntegers(kernel, Object.values(inputs) as TensorInfo[]);
    const own = OWN_KERNELS[kernel];
    const out = translated(kernel, () =>
      own
        ? this.runOwn(own, inputs as Record<string, TensorInfo>)
        : super.run(kernel, inputs, attrs),
    );
    if (isWide) this.wide.add(out.dataId);
    this.count(out);
    return out;
  }

  override upload(data: HostValues, shape: Shape, dtype: DType): TensorInfo {
    this.requireContext();
    if (data.length > this.maxElements)
      throw new UnsupportedOpError(`upload: ${this.tooLarge(shape)}.`);
    const out = super.upload(data, shape, dtype);
    const isWide = dtype === 'int32' && data.some((x) => Math.abs(x) > EXACT_INTEGERS);
    if (isWide) this.wide.add(out.dataId);
    return out;
  }

  override async read(x: TensorInfo): Promise<HostValues> {
    this.requireContext();
    const values = await super.read(x).catch((error: unknown) => {
      this.checkErrors();
      throw error;
    });
    this.checkErrors();
    return values;
  }

  private runOwn({ inputs: names, ...kernel }: OwnKernel, inputs: Record<string, TensorInfo>) {
    const engine = this.engine();
    const args = names.map((name) => inputs[name]!);
    const program = programOf(
      { inputs: names, ...kernel },
      args.map(({ shape }) => shape),
    );
    return engine.makeTensorFromTensorInfo(this.backend.runWebGLProgram(program, args, 'float32'));
  }

  /**
   * Whether the result may hold integers beyond those that are exact.
   *
   * @throws UnsupportedOpError if the kernel would round them
   */
  private checkIntegers(kernel: string, inputs: TensorInfo[]): boolean {
    if (!inputs.some(({ dataId }) => this.wide.has(dataId))) return false;
    if (!SAME_DATA.includes(kernel) && !this.backend.shouldExecuteOnCPU(inputs)) {
      throw new UnsupportedOpError(
        `${kernel}: TensorFlow.js keeps integers in float textures on WebGL, where those beyond 2^24 are not exact.`,
      );
    }
    return true;
  }

  private count({ shape }: TensorInfo): void {
    this.uncheckedBytes += 4 * sizeOf(shape);
    if (this.uncheckedBytes >= CHECK_BYTES) this.checkErrors();
  }

  /** Asking a browser for errors waits for its graphics process, so it is not done for each call. */
  private checkErrors(): void {
    this.uncheckedBytes = 0;
    this.requireContext();
    const { gl } = this;
    const error = gl.getError();
    if (error === gl.NO_ERROR) return;
    if (error === gl.OUT_OF_MEMORY) {
      throw new OutOfDeviceMemoryError(
        `The graphics device has no room for one more tensor (${this.liveTensors()} are alive); use smaller batches.`,
      );
    }
    if (error === gl.CONTEXT_LOST_WEBGL) throw this.lost();
    throw new DeviceLostError(`WebGL reports error 0x${error.toString(16)}.`);
  }

  private requireContext(): void {
    if (this.gl.isContextLost()) throw this.lost();
  }

  private lost(): DeviceLostError {
    return new DeviceLostError(
      'The WebGL context was lost (driver reset, or the device was taken away): start the backend again.',
    );
  }

  private tooLarge(shape: Shape): string {
    return `a tensor of shape [${shape.join(', ')}] is beyond the ${this.maxElements} elements that a texture of this WebGL holds`;
  }
}

/** Runs `work`; what TensorFlow.js says of textures beyond the limits becomes an error of ours. */
function translated<T>(kernel: string, work: () => T): T {
  try {
    return work();
  } catch (error) {
    const { message } = error as Error;
    if (!/texture size .* greater than/i.test(message)) throw error;
    throw new UnsupportedOpError(`${kernel}: ${message} Use smaller batches.`, { cause: error });
  }
}
