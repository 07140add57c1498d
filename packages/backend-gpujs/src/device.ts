import {
  BackendUnavailableError,
  DeviceLostError,
  OutOfDeviceMemoryError,
  UnsupportedOpError,
} from '@vq4dit/core';
import type { GpuTexture, WebGl } from './gpu-js.ts';
import { type Layout, layoutOf, maxElements, texelsOf } from './layout.ts';
import type { OpenGpu } from './open-gpu.ts';
import { Program, type ProgramArg } from './program.ts';
import { type ProgramSource, TEXEL } from './source.ts';

/** Bytes of new textures between two questions to the driver whether memory has run out. */
const CHECK_BYTES = 2 ** 24;

const SPECIAL: ProgramSource = {
  args: { x: 'texture' },
  body: `const v = texel(x, 0); return [isNumber(v[0]), isNumber(v[1]), isNumber(v[2]), isNumber(v[3])];`,
};

/** Textures and kernels on one WebGL context; whoever makes a texture frees it. */
export class GlDevice {
  /** The most elements that a tensor can have. */
  readonly maxElements: number;
  /** The most textures that one kernel can read. */
  readonly maxInputs: number;
  private readonly open: OpenGpu;
  private readonly gl: WebGl;
  private readonly programLimit: number;
  /** Compiled kernels by name; those used last stand at the end. */
  private readonly programs = new Map<string, Program>();
  private readonly live = new Set<GpuTexture>();
  private readonly framebuffer: object;
  /** Gives textures of our own the class that kernels take. */
  private readonly probe: Program;
  private readonly probed: GpuTexture;
  private uncheckedBytes = 0;

  /** @throws BackendUnavailableError if the first kernel does not compile or computes wrongly */
  constructor(open: OpenGpu, programLimit: number) {
    this.open = open;
    this.programLimit = programLimit;
    this.probe = new Program(open.gpu, open.webgl, 'probe', {
      args: { x: 'float' },
      body: `${TEXEL} return [4 * i + x, 4 * i + x + 1, 4 * i + x + 2, 4 * i + x + 3];`,
    });
    this.gl = open.gpu.context;
    const { gl } = this;
    this.maxElements = maxElements(gl.getParameter(gl.MAX_TEXTURE_SIZE) as number);
    this.maxInputs = Math.min(8, gl.getParameter(gl.MAX_TEXTURE_IMAGE_UNITS) as number);
    this.framebuffer = gl.createFramebuffer()!;
    this.probed = this.probe.run(layoutOf(8), [0.25]);
    this.checkNumbers();
  }

  private checkNumbers(): void {
    const counted = this.read(this.probed);
    const wrong = counted.findIndex((value, i) => value !== i + 0.25);
    const special = this.upload(Float32Array.of(Number.NaN, Number.POSITIVE_INFINITY, -1e38, 0));
    const found = this.run('probe.special', () => SPECIAL, 1, [special]);
    const isNumber = this.read(found).slice(0, 4).join(); // NaN alone is none
    this.free(special);
    this.free(found);
    if (wrong < 0 && isNumber === '0,1,1,1') return;
    const detail =
      wrong < 0 ? 'does not recognise NaN' : `gives ${counted[wrong]} instead of ${wrong + 0.25}`;
    this.close();
    throw new BackendUnavailableError(
      `The WebGL driver cannot be used: a first kernel in float32 ${detail}.`,
    );
  }

  /** Textures that are not freed. */
  get liveTextures(): number {
    return this.live.size;
  }

  /** Kernels that are compiled now. */
  get compiledPrograms(): number {
    return this.programs.size;
  }

  /**
   * Runs the kernel called `name` to make `texels` texels; it is compiled on its first use.
   *
   * @throws UnsupportedOpError for a result beyond the size of a texture, and for what the driver
   * reports
   */
  run(
    name: string,
    source: () => ProgramSource,
    texels: number,
    args: readonly ProgramArg[],
  ): GpuTexture {
    this.requireContext();
    const layout = this.layout(texels);
    const texture = this.program(name, source).run(layout, args);
    this.adopt(texture, layout);
    return texture;
  }

  /** A texture that holds `values`, four to a texel. */
  upload(values: Float32Array): GpuTexture {
    this.requireContext();
    const layout = this.layout(texelsOf(values.length));
    const { width, height } = layout;
    const { gl } = this;
    let pixels = values;
    if (values.length < 4 * width * height) {
      pixels = new Float32Array(4 * width * height);
      pixels.set(values);
    }
    const texture = gl.createTexture();
    if (texture === null) throw this.lost();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, texture);
    for (const name of [gl.TEXTURE_WRAP_S, gl.TEXTURE_WRAP_T]) {
      gl.texParameteri(gl.TEXTURE_2D, name, gl.CLAMP_TO_EDGE);
    }
    for (const name of [gl.TEXTURE_MIN_FILTER, gl.TEXTURE_MAG_FILTER]) {
      gl.texParameteri(gl.TEXTURE_2D, name, gl.NEAREST);
    }
    const format = this.open.webgl === 1 ? gl.RGBA : gl.RGBA32F!;
    gl.texImage2D(gl.TEXTURE_2D, 0, format, width, height, 0, gl.RGBA, gl.FLOAT, pixels);
    const wrapped = new this.probed.constructor({
      texture,
      size: Int32Array.of(width, height),
      dimensions: [width, height, 1],
      output: [width, height],
      context: gl,
      kernel: this.probe.kernel,
    });
    this.adopt(wrapped, layout);
    return wrapped;
  }

  /** The texture's texels, with those that fill it up; waits for all work before. */
  read({ texture, size }: GpuTexture): Float32Array {
    this.requireContext();
    const { gl } = this;
    const [width, height] = size as unknown as [number, number];
    const pixels = new Float32Array(4 * width * height);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.framebuffer);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
    gl.readPixels(0, 0, width, height, gl.RGBA, gl.FLOAT, pixels);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, null, 0);
    this.requireContext();
    this.checkErrors();
    return pixels;
  }

  /** Waits for all work. */
  finish(): void {
    this.read(this.probed);
  }

  free(texture: GpuTexture): void {
    if (!this.live.delete(texture)) throw new Error('a texture is freed that is not alive');
    this.gl.deleteTexture(texture.texture);
  }

  /** Frees everything and gives the context back. */
  close(): void {
    for (const program of [...this.programs.values(), this.probe]) program.destroy();
    this.programs.clear();
    for (const { texture } of [...this.live, this.probed]) this.gl.deleteTexture(texture);
    this.live.clear();
    this.gl.deleteFramebuffer(this.framebuffer);
    this.open.close();
  }

  private program(name: string, source: () => ProgramSource): Program {
    let program = this.programs.get(name);
    if (program === undefined) {
      program = new Program(this.open.gpu, this.open.webgl, name, source());
      const oldest = this.programs.entries().next().value;
      if (this.programs.size >= this.programLimit && oldest) {
        oldest[1].destroy();
        this.programs.delete(oldest[0]);
      }
    } else {
      this.programs.delete(name);
    }
    this.programs.set(name, program);
    return program;
  }

  private layout(texels: number): Layout {
    if (4 * texels > this.maxElements) {
      throw new UnsupportedOpError(
        `A tensor of ${4 * texels} elements is beyond the ${this.maxElements} that a texture of this WebGL can hold; use smaller batches.`,
      );
    }
    return layoutOf(texels);
  }

  private adopt(texture: GpuTexture, { width, height }: Layout): void {
    this.live.add(texture);
    this.uncheckedBytes += 16 * width * height;
    if (this.uncheckedBytes < CHECK_BYTES) return;
    try {
      this.checkErrors();
    } catch (error) {
      this.free(texture);
      throw error;
    }
  }

  /** Asking a browser for errors waits for its graphics process, so it is not done for each call. */
  private checkErrors(): void {
    this.uncheckedBytes = 0;
    const { gl } = this;
    const error = gl.getError();
    if (error === gl.NO_ERROR) return;
    if (error === gl.OUT_OF_MEMORY) {
      throw new OutOfDeviceMemoryError(
        `The graphics device has no room for one more tensor (${this.live.size} are alive); use smaller batches.`,
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
}
