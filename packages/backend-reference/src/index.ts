export { createReferenceBackend, type ReferenceBackendOptions } from './backend.ts';
export type { FloatStorage, Values } from './storage.ts';
