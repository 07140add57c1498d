import { BackendUnavailableError } from '@vq4dit/core';
import type { Gpu, GpuClass, WebGl } from './gpu-js.ts';

/** Where kernels run: WebGL 1 of the package `gl` in Node, or WebGL 2 of a browser. */
export const GPUJS_MODES = ['headlessgl', 'webgl2'] as const;
/** A name in {@link GPUJS_MODES}. */
export type GpujsMode = (typeof GPUJS_MODES)[number];

/** The class of gpu.js that runs kernels in each mode. */
const KERNEL_CLASSES: Readonly<Record<GpujsMode, string>> = {
  headlessgl: 'HeadlessGLKernel',
  webgl2: 'WebGL2Kernel',
};

/** A started gpu.js. */
export interface OpenGpu {
  readonly gpu: Gpu;
  /** Version of WebGL. */
  readonly webgl: 1 | 2;
  readonly kernelClass: string;
  close(): void;
}

/**
 * Starts gpu.js in one mode and in no other: without a display it would otherwise take the processor.
 *
 * @throws BackendUnavailableError if the mode does not start
 */
export function openGpu(GPU: GpuClass, mode: GpujsMode): OpenGpu {
  const context = mode === 'webgl2' ? browserContext() : undefined;
  let gpu: Gpu;
  try {
    // gpu.js would resize the canvas with every kernel; nothing is drawn on it, so it gets none.
    gpu = new GPU({ mode, ...(context && { context, canvas: {} }) });
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new BackendUnavailableError(`gpu.js does not start in mode "${mode}": ${reason}.`, {
      cause: error,
    });
  }
  const wanted = KERNEL_CLASSES[mode];
  // Minifiers rename classes; builds for browsers carry them on the GPU class.
  const carried = (GPU as unknown as Readonly<Record<string, unknown>>)[wanted];
  if (gpu.Kernel.name !== wanted && gpu.Kernel !== carried) {
    throw new BackendUnavailableError(
      `gpu.js was asked for ${wanted} and gave ${gpu.Kernel.name}; it is not used.`,
    );
  }
  return {
    gpu,
    webgl: mode === 'webgl2' ? 2 : 1,
    kernelClass: wanted,
    close: () => gpu.Kernel.destroyContext?.(gpu.context),
  };
}

interface Canvas {
  getContext(kind: 'webgl2', settings: object): WebGl | null;
}

function browserContext(): WebGl {
  const scope = globalThis as {
    OffscreenCanvas?: new (width: number, height: number) => Canvas;
    document?: { createElement(name: 'canvas'): Canvas };
  };
  const canvas = scope.OffscreenCanvas
    ? new scope.OffscreenCanvas(1, 1)
    : scope.document?.createElement('canvas');
  const gl = canvas?.getContext('webgl2', {
    alpha: false,
    antialias: false,
    depth: false,
    powerPreference: 'high-performance',
  });
  if (!gl) throw new BackendUnavailableError('WebGL 2 is not available here.');
  if (!gl.getExtension('EXT_color_buffer_float')) {
    throw new BackendUnavailableError(
      'This WebGL 2 cannot compute float32 (EXT_color_buffer_float).',
    );
  }
  return gl;
}
