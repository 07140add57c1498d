export type { NpyArray, NpyDType, NpyHeader } from './npy.ts';
export { type NpzFile, openNpz } from './read.ts';
export { type NpzEntry, writeNpz } from './write.ts';
