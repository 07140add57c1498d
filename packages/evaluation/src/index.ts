export * from './diagnosis/index.ts';
export * from './features/index.ts';
export {
  type CurvePoint,
  checkReference,
  type ImageMetrics,
  imageMetrics,
  type Spread,
} from './image-metrics.ts';
export * from './metrics/index.ts';
export * from './networks/index.ts';
export * from './npz/index.ts';
export * from './reference/index.ts';
export {
  type TrajectoryError,
  type TrajectoryErrorOptions,
  trajectoryError,
} from './trajectory-error.ts';
