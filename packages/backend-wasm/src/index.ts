export { createWasmBackend, type WasmBackend, type WasmBackendOptions } from './backend.ts';
export { Engine, type EngineOptions, f32, f64 } from './engine.ts';
export { detectFeatures, type Features } from './features.ts';
export type { HeapUsage } from './heap.ts';
