export type { NpyArray, NpyDType, NpyHeader } from './npy.ts';
export { type NpzFile, openNpz } from './read.ts';
