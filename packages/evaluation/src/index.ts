export {
  type TrajectoryError,
  type TrajectoryErrorOptions,
  trajectoryError,
} from './trajectory-error.ts';
