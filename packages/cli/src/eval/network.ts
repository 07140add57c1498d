import { openTensorFile } from '@vq4dit/checkpoint';
import { ArgumentError, ModelError, type TensorOps } from '@vq4dit/core';
import { type FeatureNetwork, loadDemoNetwork, loadInception } from '@vq4dit/evaluation';
import { DEMO_FILES } from '../demo-files.ts';
import { fileSha256 } from './target.ts';

/** The first convolution of the Inception network, and its width where nothing was narrowed. */
const INCEPTION = { first: 'Conv2d_1a_3x3.conv.weight', width: 32 };
const DEMO = 'conv1.weight';

/** Height, width and channels of the images to be measured. */
export interface ImageKind {
  readonly height: number;
  readonly width: number;
  readonly channels: number;
}

/** Whether the networks that come along measure such images. */
export const isDemoKind = ({ height, width, channels }: ImageKind): boolean =>
  height === 28 && width === 28 && channels === 1;

/**
 * The file of the feature network: the one that was named, or the demo's for images of its kind.
 *
 * @throws ArgumentError where none is named and the demo's does not take the images
 */
export function networkFile(path: string | undefined, kind: ImageKind): string {
  if (path !== undefined) return path;
  if (isDemoKind(kind)) return DEMO_FILES.network;
  throw new ArgumentError(
    `Images of ${kind.width}x${kind.height}x${kind.channels} need a feature network: give --network with the weights of the Inception-v3 for FID (docs/evaluation.md says where they are).`,
  );
}

/** A feature network with the hash of its file. */
export interface OpenNetwork {
  readonly network: FeatureNetwork;
  readonly sha256: string;
}

/**
 * Loads the network that the file holds: the demo's or Inception-v3, told apart by their tensors.
 *
 * @throws ModelError where it is neither
 */
export async function openNetwork(ops: TensorOps, path: string): Promise<OpenNetwork> {
  const sha256 = await fileSha256(path);
  const file = await openTensorFile(path);
  try {
    if (file.has(DEMO)) return { network: await loadDemoNetwork(ops, file), sha256 };
    if (file.has(INCEPTION.first)) {
      const [width] = file.entry(INCEPTION.first).shape;
      const narrow = INCEPTION.width / width!;
      const network = await loadInception(ops, file, { narrow });
      // A narrowed one is for trying things out; its figures compare with nothing.
      const name = narrow === 1 ? network.name : `${network.name}, 1/${narrow} as wide`;
      return { network: { ...network, name }, sha256 };
    }
    throw new ModelError(
      `${path}: these are the weights of no feature network known here; they need a tensor ${INCEPTION.first} (Inception-v3 for FID) or ${DEMO} (the demo's).`,
    );
  } finally {
    await file.close();
  }
}
