import { BackendUnavailableError } from '@vq4dit/core';
import { type GlslType, gpuType, LIBRARY, librarySource, type Signature } from './glsl.ts';
import type { Gpu, GpuTexture, Kernel, KernelCall } from './gpu-js.ts';
import type { Layout } from './layout.ts';
import type { ProgramSource } from './source.ts';

export type ProgramArg = GpuTexture | number;

/** gpu.js bounds loops whose end it does not know; this is beyond any. */
const LOOP_LIMIT = 2 ** 26;

/** One compiled kernel. Sizes are arguments, so one program serves every shape of its class. */
export class Program {
  private readonly gpu: Gpu;
  private readonly name: string;
  private readonly call: KernelCall;
  private isBuilt = false;

  constructor(gpu: Gpu, webgl: 1 | 2, name: string, source: ProgramSource) {
    this.gpu = gpu;
    this.name = name;
    const { args, body, glsl = '', functions = {} } = source;
    // A number that is an argument has another name than one that is computed.
    const types = Object.entries(args).map(([id, type]) => [
      id,
      type === 'float' ? 'Float' : gpuType(type),
    ]);
    this.call = gpu.createKernel(`function (${Object.keys(args).join(', ')}) {\n${body}\n}`, {
      // gpu.js sizes the canvas of a kernel after its largest output. Nothing is ever drawn on one.
      canvas: {},
      output: [1, 2],
      pipeline: true,
      immutable: true,
      precision: 'single',
      tactic: 'precision',
      dynamicOutput: true,
      dynamicArguments: true,
      fixIntegerDivisionAccuracy: false,
      loopMaxIterations: LOOP_LIMIT,
      returnType: 'Array(4)',
      argumentTypes: Object.fromEntries(types),
      injectedNative: librarySource(webgl) + glsl,
      nativeFunctions: Object.entries({ ...LIBRARY, ...functions }).map(declare),
    });
  }

  /** Computes a new texture; it belongs to the caller. */
  run({ width, height }: Layout, args: readonly ProgramArg[]): GpuTexture {
    if (!this.isBuilt) this.build(args);
    const { context: gl } = this.gpu;
    this.call.setOutput([width, height]);
    this.call(...args);
    this.requireDevice();
    const { kernel } = this.call;
    const output = kernel.texture!;
    // A kernel keeps its last output, and so does its framebuffer: take it from both.
    kernel.texture = null;
    const kept = kernel.textureCache.lastIndexOf(output.texture);
    if (kept >= 0) kernel.textureCache.splice(kept, 1);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, null, 0);
    return output;
  }

  /** gpu.js's own object for it. */
  get kernel(): Kernel {
    return this.call.kernel;
  }

  /** Frees the shaders. Outputs stay. */
  destroy(): void {
    this.call.destroy(true);
  }

  private build(args: readonly ProgramArg[]): void {
    try {
      this.call.build(...args);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      throw new BackendUnavailableError(
        `gpu.js cannot compile the kernel "${this.name}": ${reason}`,
        { cause: error },
      );
    }
    this.requireDevice();
    this.isBuilt = true;
  }

  /** gpu.js replaces a kernel that it cannot build by one for the processor, with a warning only. */
  private requireDevice(): void {
    const { kernel } = this.call;
    if (kernel.constructor === this.gpu.Kernel) return;
    throw new BackendUnavailableError(
      `gpu.js moved the kernel "${this.name}" from ${this.gpu.Kernel.name} to ${kernel.constructor.name}.`,
    );
  }
}

/** Tells gpu.js the types of a function that stands in the injected GLSL. */
function declare([name, [result, ...args]]: [string, Signature]) {
  const argumentTypes = Object.fromEntries(
    args.map((type: GlslType, i: number) => [`argument${i}`, gpuType(type)]),
  );
  return { name, source: '', returnType: gpuType(result), argumentTypes };
}
