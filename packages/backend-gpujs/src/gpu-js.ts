/**
 * The part of gpu.js that the backend uses, as types of our own: gpu.js is injected, so this package
 * neither depends on it nor on its declarations.
 */

/** The `GPU` class of gpu.js. */
export interface GpuClass {
  new (settings: { mode: string; context?: unknown; canvas?: object }): Gpu;
}

/** An instance of {@link GpuClass}: one WebGL context and the kernels made on it. */
export interface Gpu {
  /** The class that compiles and runs kernels; its name says on what they run. */
  readonly Kernel: KernelClass;
  readonly context: WebGl;
  createKernel(source: string, settings: Readonly<Record<string, unknown>>): KernelCall;
}

export interface KernelClass {
  readonly name: string;
  /** Gives the context back to the system. */
  destroyContext?(context: WebGl): void;
}

/** What `createKernel` gives: a function with methods. */
export interface KernelCall {
  (...args: readonly (GpuTexture | number)[]): unknown;
  readonly kernel: Kernel;
  setOutput(output: readonly number[]): unknown;
  build(...args: readonly (GpuTexture | number)[]): unknown;
  destroy(removeCanvasReferences: boolean): void;
}

/** A compiled kernel. Another class takes its place if gpu.js falls back to another device. */
export interface Kernel {
  readonly constructor: KernelClass;
  /** The texture of its last output; the kernel makes a new one where there is none. */
  texture: GpuTexture | null;
  /** Textures that the kernel will delete with itself. */
  readonly textureCache: WebGLTexture[];
}

/** gpu.js's description of a texture; kernels take it as an argument. */
export interface GpuTexture {
  readonly constructor: GpuTextureClass;
  readonly texture: WebGLTexture;
  /** Width and height in texels. */
  readonly size: Int32Array;
}

export interface GpuTextureClass {
  new (settings: {
    readonly texture: WebGLTexture;
    readonly size: Int32Array;
    readonly dimensions: readonly number[];
    readonly output: readonly number[];
    readonly context: WebGl;
    readonly kernel: Kernel;
  }): GpuTexture;
}

declare const webGlTexture: unique symbol;
/** A texture object of WebGL. */
export interface WebGLTexture {
  readonly [webGlTexture]: never;
}

/** The part of a WebGL context, 1 or 2, that the backend calls itself. */
export interface WebGl {
  readonly TEXTURE0: number;
  readonly TEXTURE_2D: number;
  readonly TEXTURE_WRAP_S: number;
  readonly TEXTURE_WRAP_T: number;
  readonly TEXTURE_MIN_FILTER: number;
  readonly TEXTURE_MAG_FILTER: number;
  readonly CLAMP_TO_EDGE: number;
  readonly NEAREST: number;
  readonly RGBA: number;
  /** WebGL 2 only. */
  readonly RGBA32F?: number;
  readonly FLOAT: number;
  readonly FRAMEBUFFER: number;
  readonly COLOR_ATTACHMENT0: number;
  readonly FRAMEBUFFER_COMPLETE: number;
  readonly MAX_TEXTURE_SIZE: number;
  readonly MAX_TEXTURE_IMAGE_UNITS: number;
  readonly FRAGMENT_SHADER: number;
  readonly HIGH_INT: number;
  readonly HIGH_FLOAT: number;
  readonly RENDERER: number;
  readonly VERSION: number;
  readonly NO_ERROR: number;
  readonly OUT_OF_MEMORY: number;
  readonly CONTEXT_LOST_WEBGL: number;
  createTexture(): WebGLTexture | null;
  deleteTexture(texture: WebGLTexture): void;
  activeTexture(unit: number): void;
  bindTexture(target: number, texture: WebGLTexture | null): void;
  texParameteri(target: number, name: number, value: number): void;
  texImage2D(
    target: number,
    level: number,
    internalFormat: number,
    width: number,
    height: number,
    border: number,
    format: number,
    type: number,
    pixels: Float32Array | null,
  ): void;
  createFramebuffer(): object | null;
  deleteFramebuffer(framebuffer: object): void;
  bindFramebuffer(target: number, framebuffer: object | null): void;
  framebufferTexture2D(
    target: number,
    attachment: number,
    textureTarget: number,
    texture: WebGLTexture | null,
    level: number,
  ): void;
  checkFramebufferStatus(target: number): number;
  readPixels(
    x: number,
    y: number,
    width: number,
    height: number,
    format: number,
    type: number,
    pixels: Float32Array,
  ): void;
  getParameter(name: number): unknown;
  getExtension(name: string): unknown;
  getShaderPrecisionFormat(
    shader: number,
    precision: number,
  ): { readonly rangeMax: number; readonly precision: number } | null;
  getError(): number;
  isContextLost(): boolean;
}
