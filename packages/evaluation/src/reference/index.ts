export { npzStatistics } from './npz-statistics.ts';
export type { Reference } from './reference.ts';
export { safetensorsReference } from './safetensors-reference.ts';
