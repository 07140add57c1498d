import type { BackendInfo, PrecisionTier } from '@vq4dit/core';
import { nodeProcess } from './native/node.ts';
import { nvidiaGpuModel } from './native/nvidia.ts';
import type { Tf } from './tf.ts';

/** What the adapter asks of backends other than wasm and cpu, where they can tell. */
interface Graphics {
  /** tfjs-node */
  readonly isUsingGpuDevice?: boolean;
  /** tfjs-node: true for the package with `-gpu`, on whatever it runs. */
  readonly isGPUPackage?: boolean;
  readonly binding?: { readonly TF_Version?: string };
  /** WebGL */
  getGPGPUContext?(): { readonly gl: WebGl };
}

interface WebGl {
  getExtension(name: string): { readonly UNMASKED_RENDERER_WEBGL: number } | null;
  getParameter(name: number): unknown;
}

/** Asks TensorFlow.js what it really runs on. */
export async function describeDevice(tf: Tf, id: string, name: string): Promise<BackendInfo> {
  const process = nodeProcess();
  const versions: Record<string, string> = { 'tfjs-core': tf.version_core };
  if (process?.versions?.node) versions.node = process.versions.node;
  const cpu = process?.getBuiltinModule?.('node:os')?.cpus()[0]?.model.trim() ?? 'CPU';
  const of = (what: string, isGpu: boolean, precision: PrecisionTier = 'f32'): BackendInfo => ({
    id,
    device: `${what}, TensorFlow.js`,
    isGpu,
    precision,
    versions,
  });
  if (name === 'wasm') {
    const env = tf.env();
    const simd = (await env.getAsync('WASM_HAS_SIMD_SUPPORT')) === true;
    const threads = (await env.getAsync('WASM_HAS_MULTITHREAD_SUPPORT')) === true;
    versions['wasm-simd'] = simd ? 'yes' : 'no';
    const how = `${simd ? 'SIMD' : 'no SIMD'}, ${simd && threads ? 'threads' : '1 thread'}`;
    return of(`${cpu} (WebAssembly, ${how})`, false);
  }
  if (name === 'cpu') return of(`${cpu} (JavaScript, 1 thread)`, false);
  const backend = tf.findBackend(name) as unknown as Graphics;
  if (name === 'tensorflow') {
    const version = backend.binding?.TF_Version;
    if (version) versions.tensorflow = version;
    return of(...nativeDevice(backend, cpu, version ? ` ${version}` : ''));
  }
  if (name === 'webgl') {
    const renderer = rendererOf(backend.getGPGPUContext?.().gl);
    // WebGL also runs on processors, and then says so in the renderer's name.
    const software = /swiftshader|llvmpipe|softpipe|software|basic render/i.test(renderer);
    const full = (await tf.env().getAsync('WEBGL_RENDER_FLOAT32_CAPABLE')) === true;
    return of(`${renderer} (WebGL)`, !software, full ? 'f32' : 'f16');
  }
  return of(`TensorFlow.js backend "${name}"`, name === 'webgpu');
}

/** The device of native TensorFlow, and whether it is a GPU. */
export function nativeDevice(backend: Graphics, cpu: string, version: string): [string, boolean] {
  const tensorflow = `native TensorFlow${version}`;
  if (backend.isUsingGpuDevice) {
    return [`${nvidiaGpuModel() ?? 'NVIDIA GPU'} (CUDA, ${tensorflow})`, true];
  }
  const why = backend.isGPUPackage ? ', CUDA finds no GPU' : '';
  return [`${cpu} (${tensorflow}${why})`, false];
}

function rendererOf(gl: WebGl | undefined): string {
  const extension = gl?.getExtension('WEBGL_debug_renderer_info');
  return extension && gl ? String(gl.getParameter(extension.UNMASKED_RENDERER_WEBGL)) : 'unknown';
}
