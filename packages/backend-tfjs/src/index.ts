export { createTfjsBackend, type TfjsBackendOptions } from './backend.ts';
export { createTfjsCpuBackend, createTfjsWasmBackend, type InstanceOptions } from './instances.ts';
export type { TensorInfo, Tf } from './tf.ts';
