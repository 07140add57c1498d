export { philox4x32 } from './philox.ts';
export { RandomStream, type StreamLabel } from './random.ts';
