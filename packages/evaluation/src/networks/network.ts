import type { TensorOps } from '@vq4dit/core';

/** Images as bytes, as image files hold them. */
export interface ByteImages {
  readonly count: number;
  readonly height: number;
  readonly width: number;
  /** 1 or 3. */
  readonly channels: number;
  /** [count, height, width, channels] */
  readonly values: Uint8Array;
}

/** What a feature network says of some images; plain arrays on the host. */
export interface ImageFeatures {
  /** [count, features] for FID, KID, precision and recall. */
  readonly pooled: Float32Array;
  /** [count, spatialFeatures] for sFID. */
  readonly spatial: Float32Array;
  /** [count, classes] before the softmax, for the Inception Score. */
  readonly logits: Float32Array;
}

/** A network whose features images are compared by. Dispose it once. */
export interface FeatureNetwork extends Disposable {
  /** What reports call it. */
  readonly name: string;
  readonly features: number;
  readonly spatialFeatures: number;
  readonly classes: number;
  /** Images that it takes at once without needing much memory. */
  readonly batch: number;
  /** @throws ArgumentError for images of a kind that it does not take */
  run(ops: TensorOps, images: ByteImages): Promise<ImageFeatures>;
}
