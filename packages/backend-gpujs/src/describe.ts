import type { BackendInfo } from '@vq4dit/core';
import type { WebGl } from './gpu-js.ts';
import type { OpenGpu } from './open-gpu.ts';

/** Names of drivers that compute on the processor. */
const SOFTWARE = /llvmpipe|lavapipe|softpipe|swrast|swiftshader|software|basic render/i;

/** Asks WebGL what it really runs on. */
export function describeDevice(
  id: string,
  { gpu, webgl, kernelClass }: OpenGpu,
  versions: Readonly<Record<string, string>>,
): BackendInfo {
  const renderer = rendererOf(gpu.context);
  const isSoftware = renderer === undefined || SOFTWARE.test(renderer);
  const kind = renderer === undefined ? '' : isSoftware ? 'software: ' : 'hardware: ';
  return {
    id,
    device: `WebGL ${webgl} by gpu.js (${kernelClass}), ${kind}${renderer ?? 'unknown renderer'}`,
    isGpu: !isSoftware,
    precision: 'f32',
    versions,
  };
}

/** The driver's own name for what it draws with. */
export function rendererOf(gl: WebGl): string | undefined {
  const answers = [
    () => {
      const names = gl.getExtension('WEBGL_debug_renderer_info') as {
        readonly UNMASKED_RENDERER_WEBGL: number;
      } | null;
      return names ? gl.getParameter(names.UNMASKED_RENDERER_WEBGL) : undefined;
    },
    // The package gl answers "ANGLE" on whatever it runs; this is the question it asks its driver.
    () =>
      (gl as { _getParameterDirect?(name: number): unknown })._getParameterDirect?.(gl.RENDERER),
  ];
  for (const answer of answers) {
    const name = answer();
    if (typeof name === 'string' && name.trim()) return name.trim();
  }
  return undefined;
}
