export * from './metrics/index.ts';
export * from './networks/index.ts';
export * from './npz/index.ts';
export {
  type TrajectoryError,
  type TrajectoryErrorOptions,
  trajectoryError,
} from './trajectory-error.ts';
