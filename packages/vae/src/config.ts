/** The shape of a KL autoencoder's decoder (Rombach et al. 2022), the image decoder of latent DiTs. */
export interface VaeDecoderConfig {
  /** Channels of a latent. */
  readonly latentChannels: number;
  /** Channels between the first 1 x 1 convolution and the decoder proper, usually the same. */
  readonly zChannels: number;
  /** Channels of an image: 3. */
  readonly imageChannels: number;
  /** Channels of the first convolution and of the middle block. */
  readonly middle: number;
  /** Channels of each level in the order of decoding; all levels but the last double the size. */
  readonly levels: readonly number[];
  /** Residual blocks of each level. */
  readonly resnets: number;
  /** Groups of every group normalization. */
  readonly groups: number;
}

/** Groups of the group normalizations of all published decoders. */
export const NORM_GROUPS = 32;

/**
 * What latents are divided by before they are decoded: the published autoencoders' latents were
 * multiplied by it so that their deviation is about 1 (Rombach et al. 2022, appendix G).
 */
export const SCALING_FACTOR = 0.18215;

/** The decoder of Stable Diffusion 1 and 2 and of the original DiTs: 49.5 million parameters. */
export const SD_VAE_DECODER: VaeDecoderConfig = {
  latentChannels: 4,
  zChannels: 4,
  imageChannels: 3,
  middle: 512,
  levels: [512, 512, 256, 128],
  resnets: 3,
  groups: NORM_GROUPS,
};

/** Pixels of an image along one side of a latent's pixel: 8 for four levels. */
export function upscaling(config: VaeDecoderConfig): number {
  return 2 ** (config.levels.length - 1);
}
