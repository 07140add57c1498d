export { createGpujsBackend, type GlTensor, type GpujsBackendOptions } from './backend.ts';
export type { GpuClass } from './gpu-js.ts';
export { createHeadlessGpujsBackend, type HeadlessGpujsOptions } from './headless.ts';
export { GPUJS_MODES, type GpujsMode } from './open-gpu.ts';
