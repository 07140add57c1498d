export * from './backend.ts';
export type { ComposedOp, OutputSpec } from './composed.ts';
export { TensorOps, type TensorOpsOptions } from './ops.ts';
export {
  type BackendProbe,
  type BackendRegistration,
  BackendRegistry,
} from './registry.ts';
export {
  broadcastShapes,
  type DType,
  formatShape,
  type Shape,
  sameShape,
  sizeOf,
  stridesOf,
} from './shape.ts';
export { type IndexRange, Tensor } from './tensor.ts';
