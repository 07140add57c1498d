import type * as tfjs from '@tensorflow/tfjs-core';

/**
 * The part of the TensorFlow.js namespace that the adapter uses. `@tensorflow/tfjs-core`,
 * `@tensorflow/tfjs`, `@tensorflow/tfjs-node` and `@tensorflow/tfjs-node-gpu` all have it.
 */
export type Tf = Pick<
  typeof tfjs,
  'engine' | 'env' | 'findBackend' | 'getBackend' | 'getKernel' | 'setBackend' | 'version_core'
>;

/** TensorFlow.js's own plain description of a tensor: where its data is, its shape and dtype. */
export type TensorInfo = tfjs.TensorInfo;

/** Float32 or int32 values on the host. */
export type HostValues = Float32Array | Int32Array;
