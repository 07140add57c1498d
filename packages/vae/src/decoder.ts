import { ArgumentError, InterruptedError, NonFiniteError, type TensorOps } from '@vq4dit/core';
import { SCALING_FACTOR, upscaling, type VaeDecoderConfig } from './config.ts';
import { decodeTile, type Planes } from './decode-tile.ts';
import { type NetworkOptions, stageCount } from './network.ts';
import { addTile, blendWeights, cutTile, placeTiles, refine, type TileAxis } from './tiles.ts';
import { loadWeights, type VaeTensorSource, type VaeWeights } from './weights.ts';

/** Options of {@link VaeDecoder.load}. */
export interface VaeLoadOptions {
  /** Groups of the group normalizations, which shapes do not tell. Default 32. */
  readonly groups?: number;
}

/** Options of {@link VaeDecoder.decode}. */
export interface VaeDecodeOptions {
  /** What latents are divided by. Default {@link SCALING_FACTOR}. */
  readonly scalingFactor?: number;
  /**
   * Height and width of a tile in latent pixels, at least 2. A larger latent is decoded tile by tile
   * and the images are blended: that bounds the memory, and changes the image a little, because
   * normalization and attention then see a tile only. Default 64.
   */
  readonly tileSize?: number;
  /** Latent pixels that neighbouring tiles share at least. Default: a quarter of `tileSize`. */
  readonly overlap?: number;
  readonly signal?: AbortSignal;
  /** Told how many of all steps (about 20 for each tile of each latent) are done. */
  readonly onProgress?: (done: number, total: number) => void;
  /** Bytes of patches that a convolution gathers at a time. Default 32 MiB. */
  readonly patchBytes?: number;
}

/** Latents or images. */
export interface ImageTensor {
  /** Row-major. */
  readonly values: Float32Array;
  /** [N, C, H, W] */
  readonly shape: readonly [number, number, number, number];
}

/** A latent of 64 x 64 becomes an image of 512 x 512, the largest that published DiTs draw. */
const DEFAULT_TILE = 64;

/**
 * The decoder of a KL autoencoder on one backend: image = decoder(post_quant_conv(latent /
 * scaling)). Dispose it once.
 */
export class VaeDecoder implements Disposable {
  readonly config: VaeDecoderConfig;
  private readonly ops: TensorOps;
  private readonly weights: VaeWeights;

  private constructor(ops: TensorOps, weights: VaeWeights) {
    this.ops = ops;
    this.weights = weights;
    this.config = weights.config;
  }

  /**
   * Finds a decoder in a source of tensors, checks it, and uploads its weights in float32 (198 MB
   * for that of Stable Diffusion), one tensor at a time. Names may be those of diffusers, old or new,
   * or of the original program (CompVis), also within a larger checkpoint.
   *
   * @throws ModelError where a tensor is missing, of another shape, or unknown
   * @throws NonFiniteError where a weight is NaN or infinite
   */
  static async load(
    ops: TensorOps,
    source: VaeTensorSource,
    { groups }: VaeLoadOptions = {},
  ): Promise<VaeDecoder> {
    return new VaeDecoder(ops, await ops.scope((s) => loadWeights(s, source, groups)));
  }

  /** Pixels of an image along one side of a latent's pixel: 8 for that of Stable Diffusion. */
  get upscaling(): number {
    return upscaling(this.config);
  }

  /**
   * Decodes latents [N, C, h, w], one at a time, to images [N, 3, H, W] near [-1, 1], not clipped.
   *
   * @throws ArgumentError for latents of another number of channels, or illegal options
   * @throws InterruptedError when `signal` is aborted, between two bands of rows
   * @throws NonFiniteError where latents or images hold NaN or infinity
   */
  async decode(latents: ImageTensor, options: VaeDecodeOptions = {}): Promise<ImageTensor> {
    const [n, channels, height, width] = latents.shape;
    const scale = this.check(latents, options);
    const { tileSize = DEFAULT_TILE, onProgress, signal, patchBytes } = options;
    const { overlap = Math.floor(tileSize / 4) } = options;
    const rows = placeTiles(height, tileSize, overlap);
    const columns = placeTiles(width, tileSize, overlap);
    const total = n * rows.starts.length * columns.starts.length * stageCount(this.weights);
    let done = 0;
    const network: NetworkOptions = {
      pause: () => pause(signal),
      onStage: () => onProgress?.(++done, total),
      patchBytes,
    };
    const shape = [
      n,
      this.config.imageChannels,
      this.upscaling * height,
      this.upscaling * width,
    ] as const;
    const values = new Float32Array(shape.reduce((a, b) => a * b, 1));
    const [latentSize, imageSize] = [channels * height * width, values.length / n];
    for (let i = 0; i < n; i++) {
      const latent = latents.values.subarray(i * latentSize, (i + 1) * latentSize);
      const scaled = { values: latent.map((value) => value / scale), height, width };
      const image = await this.decodePlanes(scaled, rows, columns, network);
      checkFinite(image.values, `Image ${i}`);
      values.set(image.values, i * imageSize);
    }
    return { values, shape };
  }

  private async decodePlanes(
    latent: Planes,
    rows: TileAxis,
    columns: TileAxis,
    network: NetworkOptions,
  ): Promise<Planes> {
    if (rows.starts.length === 1 && columns.starts.length === 1) {
      return decodeTile(this.ops, this.weights, latent, network);
    }
    const [fineRows, fineColumns] = [rows, columns].map((axis) => refine(axis, this.upscaling));
    const [height, width] = [fineRows!.size, fineColumns!.size];
    const values = new Float32Array(this.config.imageChannels * height * width);
    const image: Planes = { values, height, width };
    const [rowWeights, columnWeights] = [blendWeights(fineRows!), blendWeights(fineColumns!)];
    for (const [i, top] of rows.starts.entries()) {
      for (const [j, left] of columns.starts.entries()) {
        const tile = cutTile(latent, top, left, rows.length, columns.length);
        const decoded = await decodeTile(this.ops, this.weights, tile, network);
        const at = [fineRows!.starts[i]!, fineColumns!.starts[j]!] as const;
        addTile(image, decoded, ...at, rowWeights[i]!, columnWeights[j]!);
      }
    }
    return image;
  }

  /** Checks everything that a caller can get wrong; gives the scaling factor. */
  private check({ values, shape }: ImageTensor, options: VaeDecodeOptions): number {
    const { scalingFactor = SCALING_FACTOR, tileSize = DEFAULT_TILE } = options;
    const { overlap = Math.floor(tileSize / 4) } = options;
    const { latentChannels } = this.config;
    if (shape[1] !== latentChannels || values.length !== shape.reduce((a, b) => a * b, 1)) {
      throw new ArgumentError(
        `${values.length} values as latents [${shape.join(', ')}] do not fit this decoder, which takes ${latentChannels} channels.`,
      );
    }
    if (!(scalingFactor > 0 && scalingFactor < Number.POSITIVE_INFINITY)) {
      throw new ArgumentError(`The scaling factor must be above 0, not ${scalingFactor}.`);
    }
    if (!Number.isSafeInteger(tileSize) || tileSize < 2) {
      throw new ArgumentError(`Tiles must have at least 2 latent pixels, not ${tileSize}.`);
    }
    if (!Number.isSafeInteger(overlap) || overlap < 0 || overlap >= tileSize) {
      throw new ArgumentError(
        `Tiles of ${tileSize} latent pixels can overlap by 0 to ${tileSize - 1}, not ${overlap}.`,
      );
    }
    checkFinite(values, 'The latent batch');
    return scalingFactor;
  }

  /** Frees the weights. */
  dispose(): void {
    for (const { weight, bias } of this.weights.convolutions.values()) {
      weight[Symbol.dispose]();
      bias[Symbol.dispose]();
    }
  }

  /** The same as {@link VaeDecoder.dispose}, for `using`. */
  [Symbol.dispose](): void {
    this.dispose();
  }
}

function checkFinite(values: Float32Array, what: string): void {
  const bad = values.findIndex((value) => !Number.isFinite(value));
  if (bad < 0) return;
  throw new NonFiniteError(`${what} holds ${values[bad]} at element ${bad}.`);
}

/** Lets timers and signals run; a backend that computes synchronously would never let them. */
async function pause(signal: AbortSignal | undefined): Promise<void> {
  await new Promise((resolve) => setTimeout(resolve, 0));
  if (signal?.aborted) throw new InterruptedError('Decoding was stopped.');
}
