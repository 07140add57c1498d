export type { AssignmentArray } from './assign.ts';
export type {
  KMeansAccelerator,
  KMeansRows,
  KMeansSession,
  KMeansSums,
} from './kmeans-accelerator.ts';
export { type NearestCodewords, nearestCodewords } from './nearest.ts';
export type { SpaceTree } from './space-tree.ts';
