export { createTfjsBackend, type TfjsBackendOptions } from './backend.ts';
export { createTfjsCpuBackend, createTfjsWasmBackend, type InstanceOptions } from './instances.ts';
export {
  createTfjsNodeBackend,
  createTfjsNodeGpuBackend,
  type NativeOptions,
} from './native/instances.ts';
export { hasNvidiaDriver } from './native/nvidia.ts';
export type { TensorInfo, Tf } from './tf.ts';
