export type { AssignmentArray } from './assign.ts';
export { type NearestCodewords, nearestCodewords } from './nearest.ts';
